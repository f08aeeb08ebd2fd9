package packages

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestParseDefinition(t *testing.T) {
	t.Parallel()
	defaults := Service{Health: "/health", StartTimeout: 10 * time.Second, StopTimeout: 5 * time.Second, HealthTimeout: 2 * time.Second}
	none := definition{Service: defaults}
	empty := definition{defaults, true}
	good := empty
	good.Binary, good.Port = "kv", 9200
	with := func(change func(*definition)) definition {
		d := good
		change(&d)
		return d
	}
	for _, c := range []struct {
		about, text string
		want        definition
	}{
		{"as documented", goodDefinition, good},
		{"CRLF", strings.ReplaceAll(goodDefinition, "\n", "\r\n"), good},
		{"eager", goodDefinition + `startup = "eager"`, with(func(d *definition) { d.Eager = true })},
		{"lazy", goodDefinition + `startup = "lazy"`, good},
		{"health", goodDefinition + `health = "/a?b=%20&c"`, with(func(d *definition) { d.Health = "/a?b=%20&c" })},
		{"first port", strings.Replace(goodDefinition, "9200", "1", 1), with(func(d *definition) { d.Port = 1 })},
		{"last port", strings.Replace(goodDefinition, "9200", "65535", 1), with(func(d *definition) { d.Port = 65535 })},
		{"other notations", "binary = 'kv'\nservice = {port = 0x23F0}", good},
		{"unknown fields and tables", "homepage = 1\n" + goodDefinition +
			"[commands.get]\nargs = [1]\n[config]\nport = \"x\"\n[[depends]]\nbinary = 1\n[build]\n", good},
		{"nothing", "", none},
		{"empty section", "[service]", empty},
		{"retries and durations", goodDefinition + "health-retries = 0\nstart-timeout = \"1m30s\"\nstop-timeout = \"1h\"\nhealth-timeout = '1ns'",
			with(func(d *definition) {
				d.StartTimeout, d.StopTimeout, d.StopTimeoutSet, d.HealthTimeout = 90*time.Second, time.Hour, true, 1
			})},
		{"start with a key in another order", "service.start = 'kv --listen=:{port}'\nbinary = 'kv'\nservice.port = 9200", good},
	} {
		if got, err := parseDefinition(c.text); err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: got %+v, %v; want %+v", c.about, got, err, c.want)
		}
	}
}

// wantDefinitionError loads kv with this definition. The error names the file and says want.
func wantDefinitionError(t *testing.T, text, want string) {
	t.Helper()
	h := newHome(t)
	h.write(t, "store/kv/1.0.0/package.toml", text)
	h.loadFails(t, "HOME/store/kv/1.0.0/package.toml: "+want)
}

func TestDefinitionErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, want string }{
		{"[service]\n\nport = 0", `line 3 (last key "service.port"): 0 is not a port number from 1 to 65535`},
		{"service = 1", `line 1 (last key "service"): 1 is not a table`},
		{"[[service]]\nport = 1", `line 1 (last key "service"): [[service]] is a list of tables: write [service]`},
		{"port = 1\n[service\n", "line 3: expected '.' or ']' to end table name, but got '\\n' instead"},
		{"name: kv", `line 1: expected '.' or '=', but got ':' instead`},
		{"a = 1\na = 2", `line 2 (last key "a"): Key 'a' has already been defined.`},
		{"a = \"\xff\"", `line 1 (last key "a"): invalid UTF-8 byte: 0xff`},
		{"\x00", "line 1: files cannot contain NULL bytes; probably using UTF-16; TOML files must be UTF-8"},
		{"[service]\nport = 99999999999999999999", `line 2 (last key "service.port"): 99999999999999999999 is out of range for int64`},
		{"a = " + strings.Repeat("[", 1000), "line 1: nested deeper than 16 levels"},
	} {
		wantDefinitionError(t, c.text, c.want)
	}
}

func TestWrongValues(t *testing.T) {
	t.Parallel()
	const noText = "is not a string in quotes"
	const noDuration = `is not a duration in quotes, as in "1m30s", of more than 0 and at most 1h`
	for _, c := range []struct {
		key, wrong string
		values     [][2]string // as in the file, and as in the error
	}{
		{"name", noText, [][2]string{{`3`, `3`}}},
		{"version", noText, [][2]string{{`1.0`, `1.0`}, {`1.5`, `1.5`}, {`-1e30`, `-1e+30`}, {`inf`, `+Inf`}}},
		{"binary", "is not a plain file name", [][2]string{
			{`3`, `3`}, {`""`, `""`}, {`"."`, `"."`}, {`"../kv"`, `"../kv"`}, {`"bin/kv"`, `"bin/kv"`}, {`"/bin/sh"`, `"/bin/sh"`},
			{`'..\kv'`, `"..\\kv"`}, {`"kv\u0000"`, `"kv\x00"`},
			{"'" + strings.Repeat("a", 256) + "'", `"` + strings.Repeat("a", 100) + `…"`},
			{"'a" + strings.Repeat("é", 200) + "'", `"a` + strings.Repeat("é", 49) + `…"`}}},
		{"service.start", noText, [][2]string{{`1`, `1`}, {`["a\nb"]`, `"[a\nb]"`}, {`{a = "\u001b"}`, `"map[a:\x1b]"`}}},
		{"service.port", "is not a port number from 1 to 65535", [][2]string{
			{`0`, `0`}, {`65536`, `65536`}, {`-1`, `-1`}, {`4294976496`, `4294976496`}, {`"9200"`, `"9200"`}, {`9200.0`, `9200.0`},
			{`true`, `true`}, {`[9200]`, `"[9200]"`}}},
		{"service.health", "is not a health path: it starts with a slash and has no spaces or control characters", [][2]string{
			{`""`, `""`}, {`1`, `1`}, {`"health"`, `"health"`}, {`"/a b"`, `"/a b"`}, {`"/a\r\nX: y"`, `"/a\r\nX: y"`},
			{`"/\u0000"`, `"/\x00"`}, {`"/\u00A0"`, `"/\u00a0"`},
			{`"/` + strings.Repeat("a", maxHealth) + `"`, `"/` + strings.Repeat("a", 99) + `…"`}}},
		{"service.startup", `is neither "eager" nor "lazy"`, [][2]string{{`"Eager"`, `"Eager"`}, {`true`, `true`}}},
		{"service.start-timeout", noDuration, [][2]string{{`10`, `10`}, {`"10"`, `"10"`}}},
		{"service.stop-timeout", noDuration, [][2]string{{`"0s"`, `"0s"`}, {`"-1s"`, `"-1s"`}}},
		{"service.health-timeout", noDuration, [][2]string{{`"1h1ns"`, `"1h1ns"`}}},
		{"service.health-retries", "is not a whole number from 0 to 1000", [][2]string{{`-1`, `-1`}, {`1001`, `1001`}, {`1.0`, `1.0`}}},
	} {
		for _, v := range c.values {
			wantDefinitionError(t, c.key+" = "+v[0], fmt.Sprintf("line 1 (last key %q): %s %s", c.key, v[1], c.wrong))
		}
	}
}
