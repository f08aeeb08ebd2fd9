package packages

import (
	"os"
	"strings"
	"testing"
)

func TestReceipt(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text string
		want receipt
	}{
		{goodReceipt, receipt{"1.0.0", true}},
		{`{"schema":1,"current":"1.0.0"}`, receipt{"1.0.0", true}},
		{`{"schema":1,"current":"1.0.0","active":false}`, receipt{"1.0.0", false}},
		{` {"other":[1],"current":"a b","schema":1,"ACTIVE":false} ` + "\n", receipt{"a b", true}},
	} {
		if got, err := parseReceipt([]byte(c.text)); err != nil || got != c.want {
			t.Errorf("%s: got %+v, %v; want %+v", c.text, got, err, c.want)
		}
	}
}

func TestReceiptErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, want string }{
		{"", "not a receipt: the file is empty"},
		{"schema: 1", "not a receipt: not a JSON object"},
		{`{"schema":1`, "not a receipt: unexpected end of the file"},
		{goodReceipt + goodReceipt, "not a receipt: more than one JSON object"},
		{`[1]`, "not a receipt: not a JSON object"},
		{`null`, "not a receipt: not a JSON object"},
		{"{\"schema\":1,\n\"current\":\"1.0.0\",\n}", "not a receipt: line 3: unexpected character '}'"},
		{"\uFEFF" + goodReceipt, "not a receipt: a byte order mark (BOM) before the JSON object"},
		{"{\"schema\":1,\"current\":\"\xff\"}", "not a receipt: not UTF-8"},
		{goodReceipt + "\x00", "not a receipt: a NUL byte after the JSON object"},
		{`{"schema":1,"current":"1.0.0","current":"2.0.0"}`, "not a receipt: duplicate field `current`"},
		{`{"schema":1,"current":"` + strings.Repeat("1", 256) + `"}`, `current version "` + strings.Repeat("1", 100) + `…" is not a plain file name`},
		{`{"current":"1.0.0"}`, "missing field `schema`"},
		{`{"Schema":1,"current":"1.0.0"}`, "missing field `schema`"},
		{`{"schema":1}`, "missing field `current`"},
		{`{"schema":1,"CURRENT":"1.0.0"}`, "missing field `current`"},
		{`{"schema":2,"current":"1.0.0"}`, "receipt schema 2 is newer than 1: this home belongs to a newer zacor"},
		{`{"schema":2}`, "receipt schema 2 is newer than 1: this home belongs to a newer zacor"},
		{`{"schema":2,"current":{"v":1}}`, "receipt schema 2 is newer than 1: this home belongs to a newer zacor"},
		{`{"schema":0,"current":"1.0.0"}`, "receipt schema 0 is unknown"},
		{`{"schema":-1,"current":"1.0.0"}`, "receipt schema -1 is unknown"},
		{`{"schema":"1","current":"1.0.0"}`, "field `schema` is not a whole number"},
		{`{"schema":1.5,"current":"1.0.0"}`, "field `schema` is not a whole number"},
		{`{"schema":1e99,"current":"1.0.0"}`, "field `schema` is not a whole number"},
		{`{"schema":null,"current":"1.0.0"}`, "field `schema` is not a whole number"},
		{`{"schema":1,"current":1}`, "field `current` is not a string"},
		{`{"schema":1,"current":null}`, "field `current` is not a string"},
		{`{"schema":1,"current":"1.0.0","active":"yes"}`, "field `active` is not true or false"},
		{`{"schema":1,"current":""}`, `current version "" is not a plain file name`},
		{`{"schema":1,"current":"."}`, `current version "." is not a plain file name`},
		{`{"schema":1,"current":".."}`, `current version ".." is not a plain file name`},
		{`{"schema":1,"current":"../../evil"}`, `current version "../../evil" is not a plain file name`},
		{`{"schema":1,"current":"1.0.0/x"}`, `current version "1.0.0/x" is not a plain file name`},
		{`{"schema":1,"current":"1.0.0/"}`, `current version "1.0.0/" is not a plain file name`},
		{`{"schema":1,"current":"/etc"}`, `current version "/etc" is not a plain file name`},
		{`{"schema":1,"current":"..\\x"}`, `current version "..\\x" is not a plain file name`},
		{`{"schema":1,"current":"1\u0000"}`, `current version "1\x00" is not a plain file name`},
		{`{"schema":1,"current":"1\n"}`, `current version "1\n" is not a plain file name`},
	} {
		h := newHome(t)
		h.write(t, "modules/kv.json", c.text)
		h.loadFails(t, "HOME/modules/kv.json: "+c.want)
	}
}

// A file that is too large is refused, and so is a folder.
func TestNotAFile(t *testing.T) {
	t.Parallel()
	for path, limit := range map[string]string{"modules/kv.json": "64", "store/kv/1.0.0/package.toml": "320"} {
		h := newHome(t)
		h.write(t, path, strings.Repeat(" ", 320<<10+1))
		h.loadFails(t, "HOME/"+path+": larger than "+limit+" KiB")
		if err := os.Remove(h.at(path)); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(h.at(path), 0o755); err != nil {
			t.Fatal(err)
		}
		h.loadFails(t, "HOME/"+path+": not a regular file")
	}
}
