//go:build unix

package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// goodReceipt is a receipt without anything that the daemon does not need.
const goodReceipt = `{"schema":1,"current":"1.0.0"}`

// failure is the error of a reply to a start, checked to be one line.
func failure(t testing.TB, reply string) string {
	t.Helper()
	var r struct {
		OK    bool
		Error string
	}
	if err := json.Unmarshal([]byte(reply), &r); err != nil || r.OK || r.Error == "" || strings.Count(reply, "\n") != 1 {
		t.Errorf("%q is no refusal", reply)
	}
	return r.Error
}

// startLazily starts a daemon that is not about to read a package to see whether it is eager: of a broken
// one it cannot know that.
func startLazily(t *testing.T, h *Home) *Daemon {
	t.Helper()
	port := h.Install("z", Behaviour{}, eager) // the last one that is looked at
	d := startDaemon(t, h)
	d.WaitStatus(entry("z", port, "running"))
	return d
}

// A receipt that cannot be used is refused by an error that names the file and what is wrong with it.
func TestBadReceipts(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.Install("kv", Behaviour{})
	d := startLazily(t, h)
	const path = "modules/kv.json"
	for _, row := range []struct{ receipt, why string }{
		{``, "not a receipt: the file is empty"},
		{"{\n\"schema\":1,\n\"current\" \"1.0.0\"}", "not a receipt: line 3: unexpected character '\"'"},
		{"{\"schema\":1,\n\"current\":\"1.0.0\"", "not a receipt: unexpected end of the file"},
		{goodReceipt + "\n{}", "not a receipt: more than one JSON object"},
		{`["schema"]`, "not a receipt: not a JSON object"},
		{`null`, "not a receipt: not a JSON object"},
		{`{}`, "missing field `schema`"},
		{`{"current":"1.0.0"}`, "missing field `schema`"},
		{`{"SCHEMA":1,"current":"1.0.0"}`, "missing field `schema`"},
		{`{"schema":1,"CURRENT":"1.0.0"}`, "missing field `current`"},
		{`{"schema":"1","current":"1.0.0"}`, "field `schema` is not a whole number"},
		{`{"schema":1.5,"current":"1.0.0"}`, "field `schema` is not a whole number"},
		{`{"schema":null,"current":"1.0.0"}`, "field `schema` is not a whole number"},
		{`{"schema":1,"current":1}`, "field `current` is not a string"},
		{`{"schema":1,"current":null}`, "field `current` is not a string"},
		{`{"schema":1,"current":"1.0.0","active":"no"}`, "field `active` is not true or false"},
		{`{"schema":2,"current":"1.0.0"}`, "receipt schema 2 is newer than 1: this home belongs to a newer zacor"},
		{`{"schema":0,"current":"1.0.0"}`, "receipt schema 0 is unknown"},
		{`{"schema":1,"current":""}`, `current version "" is not a plain file name`},
		{`{"schema":1,"current":"."}`, `current version "." is not a plain file name`},
		{`{"schema":1,"current":".."}`, `current version ".." is not a plain file name`},
		{`{"schema":1,"current":"../1.0.0"}`, `current version "../1.0.0" is not a plain file name`},
		{`{"schema":1,"current":"1.0.0/"}`, `current version "1.0.0/" is not a plain file name`},
		{`{"schema":1,"current":"/etc"}`, `current version "/etc" is not a plain file name`},
		{`{"schema":1,"current":"a\\b"}`, `current version "a\\b" is not a plain file name`},
		{`{"schema":1,"current":"1.0.0\u0000"}`, `current version "1.0.0\x00" is not a plain file name`},
	} {
		h.Write(path, row.receipt)
		want(t, row.receipt, failure(t, d.Start("kv")), filepath.Join(h.Dir, path)+": "+row.why)
	}
	h.Write(path, `{"schema":1,"current":"2.0.0"}`)
	want(t, "a version that is not there", failure(t, d.Start("kv")),
		filepath.Join(h.Dir, path)+`: version "2.0.0" is not in `+filepath.Join(h.Dir, "store/kv"))
	if starts := h.Pids("kv", "start"); len(starts) > 0 {
		t.Errorf("a bad receipt started kv: processes %v", starts)
	}
}

// A definition that cannot be used is refused by an error that names the file, the line and the field.
func TestBadDefinitions(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.Install("kv", Behaviour{})
	d := startLazily(t, h)
	const path = "store/kv/1.0.0/package.toml"
	const top, service = "binary = \"fake\"\n", "[service]\nport = 9200\n"
	const noPath = " is not a health path: it starts with a slash and has no spaces or control characters"
	for _, row := range []struct{ definition, why string }{
		{top + "[service]\nport = 0\n", `line 3 (last key "service.port"): 0 is not a port number from 1 to 65535`},
		{top + "[service]\n\n\nport = 65536\n", `line 5 (last key "service.port"): 65536 is not a port number from 1 to 65535`},
		{top + "[service]\nport = -1\n", `line 3 (last key "service.port"): -1 is not a port number from 1 to 65535`},
		{top + "[service]\nport = 9200.5\n", `line 3 (last key "service.port"): 9200.5 is not a port number from 1 to 65535`},
		{top + "[service]\nport = \"9200\"\n", `line 3 (last key "service.port"): "9200" is not a port number from 1 to 65535`},
		{top + "[service]\nport = true\n", `line 3 (last key "service.port"): true is not a port number from 1 to 65535`},
		{top + "[service]\nport = 99999999999999999999\n", `line 3 (last key "service.port"): 99999999999999999999 is out of range for int64`},
		{top + service + `health = "health"`, `line 4 (last key "service.health"): "health"` + noPath},
		{top + service + `health = ""`, `line 4 (last key "service.health"): ""` + noPath},
		{top + service + `health = "/a b"`, `line 4 (last key "service.health"): "/a b"` + noPath},
		{top + service + `health = "/\r\nHost: evil"`, `line 4 (last key "service.health"): "/\r\nHost: evil"` + noPath},
		{top + service + "health = \"\"\"/\nx\"\"\"", `line 5 (last key "service.health"): "/\nx"` + noPath},
		{top + service + `health = "/\u0000"`, `line 4 (last key "service.health"): "/\x00"` + noPath},
		{top + service + `health = "/\u00a0"`, `line 4 (last key "service.health"): "/\u00a0"` + noPath},
		{top + service + `health = 1`, `line 4 (last key "service.health"): 1` + noPath},
		{top + service + `startup = "sometimes"`, `line 4 (last key "service.startup"): "sometimes" is neither "eager" nor "lazy"`},
		{top + service + `startup = true`, `line 4 (last key "service.startup"): true is neither "eager" nor "lazy"`},
		{top + service + `start = 1`, `line 4 (last key "service.start"): 1 is not a string in quotes`},
		{"name = 1\n" + service, `line 1 (last key "name"): 1 is not a string in quotes`},
		{"\nversion = 0.1\n" + service, `line 2 (last key "version"): 0.1 is not a string in quotes`},
		{"binary = 1\n" + service, `line 1 (last key "binary"): 1 is not a plain file name`},
		{"binary = \"\"\n" + service, `line 1 (last key "binary"): "" is not a plain file name`},
		{"binary = \".\"\n" + service, `line 1 (last key "binary"): "." is not a plain file name`},
		{"binary = \"..\"\n" + service, `line 1 (last key "binary"): ".." is not a plain file name`},
		{"binary = \"../1.0.0/fake\"\n" + service, `line 1 (last key "binary"): "../1.0.0/fake" is not a plain file name`},
		{"binary = \"./fake\"\n" + service, `line 1 (last key "binary"): "./fake" is not a plain file name`},
		{"binary = \"/bin/sh\"\n" + service, `line 1 (last key "binary"): "/bin/sh" is not a plain file name`},
		{"binary = \"bin\\\\fake\"\n" + service, `line 1 (last key "binary"): "bin\\fake" is not a plain file name`},
		{"binary = \"fake\\u0000\"\n" + service, `line 1 (last key "binary"): "fake\x00" is not a plain file name`},
		{top + "service = 1\n", `line 2 (last key "service"): 1 is not a table`},
		{top + "[[service]]\nport = 9200\n", `line 2 (last key "service"): [[service]] is a list of tables: write [service]`},
		{top + "[service\nport = 9200\n", "line 3: expected '.' or ']' to end table name, but got '\\n' instead"},
		{top + service + "port = 9201\n", `line 4 (last key "service.port"): Key 'service.port' has already been defined.`},
		{top + service + "health = /\n", `line 4 (last key "service.health"): expected value but found '/' instead`},
		{"binary: kv\n", "line 1: expected '.' or '=', but got ':' instead"},
		{"\xff", "line 1: invalid UTF-8 byte: 0xff"},
	} {
		h.Write(path, row.definition)
		want(t, row.definition, failure(t, d.Start("kv")), filepath.Join(h.Dir, path)+": "+row.why)
	}
	if starts := h.Pids("kv", "start"); len(starts) > 0 {
		t.Errorf("a bad definition started kv: processes %v", starts)
	}
}

// What zacor's own packages hold beside it is ignored, names of another case among it.
func TestUnknownFieldsOfPackages(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	port := h.Install("kv", Behaviour{})
	h.Write("modules/kv.json", `{"Current":7,"schema":1,"SCHEMA":9,"current":"1.0.0","active":false,
		"source":{"registry":"x"},"versions":{"1.0.0":{}},"current_":null}`)
	h.Write("store/kv/1.0.0/package.toml", fmt.Sprintf(`
BINARY = 3
binary = "fake"
depends = ["a", "b"]
[service]
PORT = "none"
port = %d
retries = { max = 3 }
[commands.get]
description = "a"
[[config]]
key = "x"
[build]
port = 1
`, port))
	d := startDaemon(t, h)
	d.MustStart("kv", port)
}

// Names that would lead out of the home never do, though what they lead to would run.
func TestNamesStayInTheHome(t *testing.T) {
	t.Parallel()
	outside := newHome(t)
	outside.Install("evil", Behaviour{})
	h := &Home{t, filepath.Join(outside.Dir, "home")}
	h.Install("kv", Behaviour{})
	outside.Write("evil.json", goodReceipt) // from modules/ and from store/, ../../evil is this and the next
	if err := os.Symlink(filepath.Join(outside.Dir, "store/evil"), filepath.Join(outside.Dir, "evil")); err != nil {
		t.Fatal(err)
	}
	d := startDaemon(t, h)
	for _, name := range []string{
		"..", ".", "/", `\`, "../evil", "../../evil", "../../modules/evil", "kv/../../../evil", `..\..\evil`,
		filepath.Join(outside.Dir, "modules/evil"), "/etc/passwd", "kv\x00", "\x00", "kv/", "./kv", "store", "KV", "Kv", "kv_2", "kv.json",
		"-kv", "kv-", "k--v", "2kv", " kv", "kv ", "kv\n", "é", "kv'", strings.Repeat("a", 101), strings.Repeat("a", 60_000),
	} {
		quoted, _ := json.Marshal(name)
		reply := d.Ask(`{"request":"start-service","name":` + string(quoted) + `}`)
		head := "package '" + name + "' not found"
		if len(name) > 100 {
			head = "package '" + name[:100] + "…' not found"
		}
		if got := failure(t, reply); !strings.HasPrefix(got, head) {
			t.Errorf("start of %.200q: %.300q does not begin with %.200q", name, got, head)
		}
		want(t, "stop of "+name, d.Ask(`{"request":"stop-service","name":`+string(quoted)+`}`), okLine)
	}
	if events := append(outside.Events("evil"), h.Events("kv")...); len(events) > 0 {
		t.Errorf("a name that is none started something: %q", events)
	}
	want(t, "status", d.Status(), statusLine())
}

func TestLongestName(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	name := strings.Repeat("a", 98) + "-0"
	port := h.Install(name, Behaviour{})
	d := startDaemon(t, h)
	d.MustStart(name, port)
	want(t, "status", d.Status(), statusLine(entry(name, port, "running")))
}
