package packages

import (
	"fmt"
	"strings"
	"testing"
)

func TestParseDefinition(t *testing.T) {
	t.Parallel()
	good := definition{"kv", true, 9200, "/health", false}
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
		{"eager", goodDefinition + `startup = "eager"`, with(func(d *definition) { d.eager = true })},
		{"lazy", goodDefinition + `startup = "lazy"`, good},
		{"health", goodDefinition + `health = "/a?b=%20&c"`, with(func(d *definition) { d.health = "/a?b=%20&c" })},
		{"first port", strings.Replace(goodDefinition, "9200", "1", 1), with(func(d *definition) { d.port = 1 })},
		{"last port", strings.Replace(goodDefinition, "9200", "65535", 1), with(func(d *definition) { d.port = 65535 })},
		{"other notations", "binary = 'kv'\nservice = {port = 0x23F0}", good},
		{"unknown fields and tables", "homepage = 1\n" + goodDefinition + "PORT = 1\nHealth = 3\n" +
			"[commands.get]\nargs = [1]\n[config]\nport = \"x\"\n[[depends]]\nbinary = 1\n[build]\n", good},
		{"nothing", "", definition{health: "/health"}},
		{"empty section", "[service]", definition{hasService: true, health: "/health"}},
		{"section by its sub-table", "[service.extra]\nport = 1", definition{hasService: true, health: "/health"}},
	} {
		t.Run(c.about, func(t *testing.T) {
			t.Parallel()
			if got, err := parseDefinition(c.text); err != nil || got != c.want {
				t.Errorf("got %+v, %v; want %+v", got, err, c.want)
			}
		})
	}
}

func TestParseDefinitionErrors(t *testing.T) {
	t.Parallel()
	const noPath = " is not a health path: it starts with a slash and has no spaces or control characters"
	for _, c := range []struct{ text, want string }{
		{"[service]\n\nport = 0", `line 3 (last key "service.port"): 0 is not a port number from 1 to 65535`},
		{"[service]\nport = 65536", `line 2 (last key "service.port"): 65536 is not a port number from 1 to 65535`},
		{"[service]\nport = -1", `line 2 (last key "service.port"): -1 is not a port number from 1 to 65535`},
		{"[service]\nport = 4294976496", `line 2 (last key "service.port"): 4294976496 is not a port number from 1 to 65535`},
		{"[service]\nport = 99999999999999999999", `line 2 (last key "service.port"): 99999999999999999999 is out of range for int64`},
		{"[service]\nport = \"9200\"", `line 2 (last key "service.port"): "9200" is not a port number from 1 to 65535`},
		{"[service]\nport = 9200.0", `line 2 (last key "service.port"): 9200 is not a port number from 1 to 65535`},
		{"[service]\nport = true", `line 2 (last key "service.port"): true is not a port number from 1 to 65535`},
		{"[service]\nport = [9200]", `line 2 (last key "service.port"): "[9200]" is not a port number from 1 to 65535`},
		{"[service]\nhealth = \"\"", `line 2 (last key "service.health"): ""` + noPath},
		{"[service]\nhealth = \"health\"", `line 2 (last key "service.health"): "health"` + noPath},
		{"[service]\nhealth = \"/a b\"", `line 2 (last key "service.health"): "/a b"` + noPath},
		{"[service]\nhealth = \"/a\\r\\nX: y\"", `line 2 (last key "service.health"): "/a\r\nX: y"` + noPath},
		{"[service]\nhealth = \"/\\u0000\"", `line 2 (last key "service.health"): "/\x00"` + noPath},
		{"[service]\nhealth = \"/\\u00A0\"", `line 2 (last key "service.health"): "/\u00a0"` + noPath},
		{"[service]\nhealth = \"/" + strings.Repeat("a", maxHealth) + "\"", `line 2 (last key "service.health"): "/` + strings.Repeat("a", 98) + "…" + noPath},
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
		{"name = 3", `line 1 (last key "name"): 3 is not a string in quotes`},
		{"\nversion = 1.0", `line 2 (last key "version"): 1 is not a string in quotes`},
		{"service = 1", `line 1 (last key "service"): 1 is not a table`},
		{"[[service]]\nport = 1", `line 1 (last key "service"): "[map[port:1]]" is not a table`},
		{"port = 1\n[service\n", "line 3: expected '.' or ']' to end table name, but got '\\n' instead"},
		{"name: kv", `line 1: expected '.' or '=', but got ':' instead`},
		{"a = 1\na = 2", `line 2 (last key "a"): Key 'a' has already been defined.`},
		{"a = \"\xff\"", `line 1 (last key "a"): invalid UTF-8 byte: 0xff`},
		{"\x00", "line 1: files cannot contain NULL bytes"},
		{"a = " + strings.Repeat("[", 1000), "line 1: nested deeper than 64 levels"},
	} {
		t.Run(fmt.Sprintf("%.30q", c.text), func(t *testing.T) {
			t.Parallel()
			h := newHome(t)
			h.write(t, "store/kv/1.0.0/package.toml", c.text)
			_, err := h.Load("kv")
			want := h.at("store/kv/1.0.0/package.toml") + ": " + c.want
			if err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got  %v\nwant %s", err, want)
			}
		})
	}
}
