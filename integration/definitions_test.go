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

// goodReceipt has only what the daemon needs.
const goodReceipt = `{"schema":1,"current":"1.0.0"}`

// failure returns the error of a reply.
func failure(t testing.TB, reply string) string {
	t.Helper()
	var r struct {
		OK    bool
		Error string
	}
	if err := json.Unmarshal([]byte(reply), &r); err != nil || r.OK || r.Error == "" || strings.Count(reply, "\n") != 1 {
		t.Errorf("%q is not an error", reply)
	}
	return r.Error
}

// startLazily starts a daemon and waits until it has read all packages. (It must not find them
// broken when it looks for eager services.)
func startLazily(t *testing.T, h *Home) *Daemon {
	t.Helper()
	port := h.Install("z", Behaviour{}, eager) // it is read last
	d := startDaemon(t, h)
	d.WaitStatus(entry("z", port, "running"))
	return d
}

// The error about a broken receipt or definition has the file, the line and the field. Nothing is
// started.
func TestPackagesThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.Install("kv", Behaviour{})
	d := startLazily(t, h)
	for _, row := range []struct{ path, text, why string }{
		{"modules/kv.json", "{\n\"schema\":1,\n\"current\" \"1.0.0\"}", "not a receipt: line 3: unexpected character '\"'"},
		{"modules/kv.json", `{"schema":1,"current":"../1.0.0"}`, `current version "../1.0.0" is not a plain file name`},
		{"modules/kv.json", `{"schema":1,"current":"2.0.0"}`, `version "2.0.0" is not in ` + filepath.Join(h.Dir, "store/kv")},
		{"modules/kv.json", goodReceipt, ""},
		{"store/kv/1.0.0/package.toml", "binary = \"fake\"\n[service]\nport = 0\n",
			`line 3 (last key "service.port"): 0 is not a port number from 1 to 65535`},
	} {
		h.Write(row.path, row.text)
		if row.why != "" {
			want(t, row.text, failure(t, d.Start("kv")), filepath.Join(h.Dir, row.path)+": "+row.why)
		}
	}
	if starts := h.Pids("kv", "start"); len(starts) > 0 {
		t.Errorf("a broken package started kv: processes %v", starts)
	}
}

// Other fields of a zacor package are ignored, even if they differ only in case.
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

// A name cannot lead out of the home, even to a package that would run.
func TestNamesStayInTheHome(t *testing.T) {
	t.Parallel()
	outside := newHome(t)
	outside.Install("evil", Behaviour{})
	h := &Home{t, filepath.Join(outside.Dir, "home")}
	h.Install("kv", Behaviour{})
	outside.Write("evil.json", goodReceipt) // ../../evil is this from modules/, and the next from store/
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
		t.Errorf("an invalid name started something: %q", events)
	}
	want(t, "status", d.Status(), statusLine())
}
