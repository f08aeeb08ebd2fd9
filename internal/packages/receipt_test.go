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
		{"empty", "", "not a receipt: line 1: unexpected end of JSON input"},
		{"no JSON", "schema: 1", "not a receipt: line 1: invalid character 's' looking for beginning of value"},
		{"half", `{"schema":1`, "not a receipt: line 1: unexpected end of JSON input"},
		{"two", goodReceipt + goodReceipt, "not a receipt: line 1: invalid character '{' after top-level value"},
		{"array", `[1]`, "not a receipt: not a JSON object"},
		{"null", `null`, "field `schema` is missing"},
		{"no schema", `{"current":"1.0.0"}`, "field `schema` is missing"},
		{"schema in another case", `{"Schema":1,"current":"1.0.0"}`, "field `schema` is missing"},
		{"no current", `{"schema":1}`, "field `current` is missing"},
		{"current in another case", `{"schema":1,"CURRENT":"1.0.0"}`, "field `current` is missing"},
		{"newer", `{"schema":2,"current":"1.0.0"}`, "receipt schema 2 is newer than 1: this home belongs to a newer zacor"},
		{"newer and of another shape", `{"schema":2}`, "receipt schema 2 is newer than 1: this home belongs to a newer zacor"},
		{"newer with another current", `{"schema":2,"current":{"v":1}}`, "receipt schema 2 is newer than 1: this home belongs to a newer zacor"},
		{"zero", `{"schema":0,"current":"1.0.0"}`, "receipt schema 0 is unknown"},
		{"negative", `{"schema":-1,"current":"1.0.0"}`, "receipt schema -1 is unknown"},
		{"text for schema", `{"schema":"1","current":"1.0.0"}`, "field `schema` has the wrong type"},
		{"fraction for schema", `{"schema":1.5,"current":"1.0.0"}`, "field `schema` has the wrong type"},
		{"huge schema", `{"schema":1e99,"current":"1.0.0"}`, "field `schema` has the wrong type"},
		{"null schema", `{"schema":null,"current":"1.0.0"}`, "field `schema` has the wrong type"},
		{"number for current", `{"schema":1,"current":1}`, "field `current` has the wrong type"},
		{"null current", `{"schema":1,"current":null}`, "field `current` has the wrong type"},
		{"text for active", `{"schema":1,"current":"1.0.0","active":"yes"}`, "field `active` has the wrong type"},
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
	for _, path := range []string{"modules/kv.json", "store/kv/1.0.0/package.toml"} {
		h := newHome(t)
		h.write(t, path, strings.Repeat("#", maxFile+1))
		h.loadFails(t, "HOME/"+path+": larger than 1048576 bytes")
		if err := os.Remove(h.at(path)); err != nil {
			t.Fatal(err)
		}
		if err := os.Mkdir(h.at(path), 0o755); err != nil {
			t.Fatal(err)
		}
		h.loadFails(t, "HOME/"+path+": not a regular file")
	}
}
