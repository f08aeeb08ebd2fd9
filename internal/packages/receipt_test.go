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
	for _, c := range []struct{ about, text, want string }{
		{"empty", "", "not a receipt: the file is empty"},
		{"no JSON", "schema: 1", "not a receipt: not a JSON object"},
		{"half", `{"schema":1`, "not a receipt: unexpected end of the file"},
		{"two", goodReceipt + goodReceipt, "not a receipt: more than one JSON object"},
		{"array", `[1]`, "not a receipt: not a JSON object"},
		{"null", `null`, "not a receipt: not a JSON object"},
		{"comma", "{\"schema\":1,\n\"current\":\"1.0.0\",\n}", "not a receipt: line 3: unexpected character '}'"},
		{"byte order mark", "\uFEFF" + goodReceipt, "not a receipt: a byte order mark (BOM) before the JSON object"},
		{"not UTF-8", "{\"schema\":1,\"current\":\"\xff\"}", "not a receipt: not UTF-8"},
		{"NUL at the end", goodReceipt + "\x00", "not a receipt: a NUL byte after the JSON object"},
		{"twice", `{"schema":1,"current":"1.0.0","current":"2.0.0"}`, "not a receipt: duplicate field `current`"},
		{"long", `{"schema":1,"current":"` + strings.Repeat("1", 256) + `"}`, `current version "` + strings.Repeat("1", 100) + `…" is not a plain file name`},
		{"no schema", `{"current":"1.0.0"}`, "missing field `schema`"},
		{"schema in another case", `{"Schema":1,"current":"1.0.0"}`, "missing field `schema`"},
		{"no current", `{"schema":1}`, "missing field `current`"},
		{"current in another case", `{"schema":1,"CURRENT":"1.0.0"}`, "missing field `current`"},
		{"newer", `{"schema":2,"current":"1.0.0"}`, "receipt schema 2 is newer than 1: this home belongs to a newer zacor"},
		{"newer and of another shape", `{"schema":2}`, "receipt schema 2 is newer than 1: this home belongs to a newer zacor"},
		{"newer with another current", `{"schema":2,"current":{"v":1}}`, "receipt schema 2 is newer than 1: this home belongs to a newer zacor"},
		{"zero", `{"schema":0,"current":"1.0.0"}`, "receipt schema 0 is unknown"},
		{"negative", `{"schema":-1,"current":"1.0.0"}`, "receipt schema -1 is unknown"},
		{"text for schema", `{"schema":"1","current":"1.0.0"}`, "field `schema` is not a whole number"},
		{"fraction for schema", `{"schema":1.5,"current":"1.0.0"}`, "field `schema` is not a whole number"},
		{"huge schema", `{"schema":1e99,"current":"1.0.0"}`, "field `schema` is not a whole number"},
		{"null schema", `{"schema":null,"current":"1.0.0"}`, "field `schema` is not a whole number"},
		{"number for current", `{"schema":1,"current":1}`, "field `current` is not a string"},
		{"null current", `{"schema":1,"current":null}`, "field `current` is not a string"},
		{"text for active", `{"schema":1,"current":"1.0.0","active":"yes"}`, "field `active` is not true or false"},
		{"empty current", `{"schema":1,"current":""}`, `current version "" is not a plain file name`},
		{"dot", `{"schema":1,"current":"."}`, `current version "." is not a plain file name`},
		{"dots", `{"schema":1,"current":".."}`, `current version ".." is not a plain file name`},
		{"up and down", `{"schema":1,"current":"../../evil"}`, `current version "../../evil" is not a plain file name`},
		{"folder", `{"schema":1,"current":"1.0.0/x"}`, `current version "1.0.0/x" is not a plain file name`},
		{"slash at the end", `{"schema":1,"current":"1.0.0/"}`, `current version "1.0.0/" is not a plain file name`},
		{"absolute", `{"schema":1,"current":"/etc"}`, `current version "/etc" is not a plain file name`},
		{"backslash", `{"schema":1,"current":"..\\x"}`, `current version "..\\x" is not a plain file name`},
		{"NUL", `{"schema":1,"current":"1\u0000"}`, `current version "1\x00" is not a plain file name`},
		{"line break", `{"schema":1,"current":"1\n"}`, `current version "1\n" is not a plain file name`},
	} {
		t.Run(c.about, func(t *testing.T) {
			t.Parallel()
			h := newHome(t)
			h.write(t, "modules/kv.json", c.text)
			h.loadFails(t, "HOME/modules/kv.json: "+c.want)
		})
	}
}

// What stands where a receipt or definition should be is refused at once.
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
