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
	none := definition{health: "/health", startTimeout: duration(10 * time.Second), healthTimeout: duration(2 * time.Second)}
	good := none
	good.binary, good.hasService, good.port = "kv", true, 9200
	with := func(change func(*definition)) definition {
		d := good
		change(&d)
		return d
	}
	empty := none
	empty.hasService = true
	for _, c := range []struct {
		about, text string
		want        definition
	}{
		{"as documented", goodDefinition, good},
		{"CRLF", strings.ReplaceAll(goodDefinition, "\n", "\r\n"), good},
		{"eager", goodDefinition + `startup = "eager"`, with(func(d *definition) { d.eager = true })},
		{"lazy", goodDefinition + `startup = "lazy"`, good},
		{"health", goodDefinition + `health = "/a?b=%20&c"`, with(func(d *definition) { d.health = "/a?b=%20&c" })},
		{"first port", strings.Replace(goodDefinition, "9200", "1", 1), with(func(d *definition) { d.port = 1 })},
		{"last port", strings.Replace(goodDefinition, "9200", "65535", 1), with(func(d *definition) { d.port = 65535 })},
		{"other notations", "binary = 'kv'\nservice = {port = 0x23F0}", good},
		{"unknown fields and tables", "homepage = 1\n" + goodDefinition +
			"[commands.get]\nargs = [1]\n[config]\nport = \"x\"\n[[depends]]\nbinary = 1\n[build]\n", good},
		{"nothing", "", none},
		{"empty section", "[service]", empty},
		{"retries and durations", goodDefinition + "health-retries = 0\nstart-timeout = \"1m30s\"\nstop-timeout = \"1h\"\nhealth-timeout = '1ns'", with(func(d *definition) {
			d.startTimeout, d.stopTimeout, d.healthTimeout = duration(90*time.Second), duration(time.Hour), 1
		})},
		{"start with a key in another order", "service.start = 'kv --listen=:{port}'\nbinary = 'kv'\nservice.port = 9200", good},
	} {
		t.Run(c.about, func(t *testing.T) {
			t.Parallel()
			if got, err := parseDefinition(c.text); err != nil || !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %+v, %v; want %+v", got, err, c.want)
			}
		})
	}
}

func TestParseDefinitionErrors(t *testing.T) {
	t.Parallel()
	const noPath = " is not a health path: it starts with a slash and has no spaces or control characters"
	const noDuration = ` is not a duration in quotes, as in "1m30s", of more than 0 and at most 1h`
	for _, c := range []struct{ text, want string }{
		{"[service]\n\nport = 0", `line 3 (last key "service.port"): 0 is not a port number from 1 to 65535`},
		{"[service]\nport = 65536", `line 2 (last key "service.port"): 65536 is not a port number from 1 to 65535`},
		{"[service]\nport = -1", `line 2 (last key "service.port"): -1 is not a port number from 1 to 65535`},
		{"[service]\nport = 4294976496", `line 2 (last key "service.port"): 4294976496 is not a port number from 1 to 65535`},
		{"[service]\nport = 99999999999999999999", `line 2 (last key "service.port"): 99999999999999999999 is out of range for int64`},
		{"[service]\nport = \"9200\"", `line 2 (last key "service.port"): "9200" is not a port number from 1 to 65535`},
		{"[service]\nport = 9200.0", `line 2 (last key "service.port"): 9200.0 is not a port number from 1 to 65535`},
		{"[service]\nport = true", `line 2 (last key "service.port"): true is not a port number from 1 to 65535`},
		{"[service]\nport = [9200]", `line 2 (last key "service.port"): "[9200]" is not a port number from 1 to 65535`},
		{"[service]\nhealth = \"\"", `line 2 (last key "service.health"): ""` + noPath},
		{"[service]\nhealth = \"health\"", `line 2 (last key "service.health"): "health"` + noPath},
		{"[service]\nhealth = \"/a b\"", `line 2 (last key "service.health"): "/a b"` + noPath},
		{"[service]\nhealth = \"/a\\r\\nX: y\"", `line 2 (last key "service.health"): "/a\r\nX: y"` + noPath},
		{"[service]\nhealth = \"/\\u0000\"", `line 2 (last key "service.health"): "/\x00"` + noPath},
		{"[service]\nhealth = \"/\\u00A0\"", `line 2 (last key "service.health"): "/\u00a0"` + noPath},
		{"[service]\nhealth = \"/" + strings.Repeat("a", maxHealth) + "\"", `line 2 (last key "service.health"): "/` + strings.Repeat("a", 99) + "…\"" + noPath},
		{"[service]\nhealth = 1", `line 2 (last key "service.health"): 1` + noPath},
		{"[service]\nstartup = \"Eager\"", `line 2 (last key "service.startup"): "Eager" is neither "eager" nor "lazy"`},
		{"[service]\nstartup = true", `line 2 (last key "service.startup"): true is neither "eager" nor "lazy"`},
		{"[service]\nstart = 1", `line 2 (last key "service.start"): 1 is not a string in quotes`},
		{"binary = \"\"", `line 1 (last key "binary"): "" is not a plain file name`},
		{"binary = \"../kv\"", `line 1 (last key "binary"): "../kv" is not a plain file name`},
		{"binary = \"bin/kv\"", `line 1 (last key "binary"): "bin/kv" is not a plain file name`},
		{"binary = \"/bin/sh\"", `line 1 (last key "binary"): "/bin/sh" is not a plain file name`},
		{"binary = '..\\kv'", `line 1 (last key "binary"): "..\\kv" is not a plain file name`},
		{"binary = \"kv\\u0000\"", `line 1 (last key "binary"): "kv\x00" is not a plain file name`},
		{"binary = \".\"", `line 1 (last key "binary"): "." is not a plain file name`},
		{"binary = 3", `line 1 (last key "binary"): 3 is not a plain file name`},
		{"binary = '" + strings.Repeat("a", 256) + "'", `line 1 (last key "binary"): "` + strings.Repeat("a", 100) + `…" is not a plain file name`},
		{"[service]\nstart-timeout = 10", `line 2 (last key "service.start-timeout"): 10` + noDuration},
		{"[service]\nstart-timeout = \"10\"", `line 2 (last key "service.start-timeout"): "10"` + noDuration},
		{"[service]\nstop-timeout = \"0s\"", `line 2 (last key "service.stop-timeout"): "0s"` + noDuration},
		{"[service]\nstop-timeout = \"-1s\"", `line 2 (last key "service.stop-timeout"): "-1s"` + noDuration},
		{"[service]\nhealth-timeout = \"1h1ns\"", `line 2 (last key "service.health-timeout"): "1h1ns"` + noDuration},
		{"[service]\nhealth-retries = -1", `line 2 (last key "service.health-retries"): -1 is not a whole number from 0 to 1000`},
		{"[service]\nhealth-retries = 1001", `line 2 (last key "service.health-retries"): 1001 is not a whole number from 0 to 1000`},
		{"[service]\nhealth-retries = 1.0", `line 2 (last key "service.health-retries"): 1.0 is not a whole number from 0 to 1000`},
		{"name = 3", `line 1 (last key "name"): 3 is not a string in quotes`},
		{"\nversion = 1.0", `line 2 (last key "version"): 1.0 is not a string in quotes`},
		{"service = 1", `line 1 (last key "service"): 1 is not a table`},
		{"[[service]]\nport = 1", `line 1 (last key "service"): [[service]] is a list of tables: write [service]`},
		{"port = 1\n[service\n", "line 3: expected '.' or ']' to end table name, but got '\\n' instead"},
		{"name: kv", `line 1: expected '.' or '=', but got ':' instead`},
		{"a = 1\na = 2", `line 2 (last key "a"): Key 'a' has already been defined.`},
		{"a = \"\xff\"", `line 1 (last key "a"): invalid UTF-8 byte: 0xff`},
		{"\x00", "line 1: files cannot contain NULL bytes; probably using UTF-16; TOML files must be UTF-8"},
		{"a = " + strings.Repeat("[", 1000), "line 1: nested deeper than 16 levels"},
	} {
		t.Run(fmt.Sprintf("%.30q", c.text), func(t *testing.T) {
			t.Parallel()
			h := newHome(t)
			h.write(t, "store/kv/1.0.0/package.toml", c.text)
			_, err := h.Load("kv")
			want := h.at("store/kv/1.0.0/package.toml") + ": " + c.want
			if err == nil || err.Error() != want {
				t.Errorf("got  %v\nwant %s", err, want)
			}
		})
	}
}
