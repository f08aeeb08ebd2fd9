package packages

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"zr/internal/protocol"
)

const (
	goodReceipt    = `{"schema":1,"current":"1.0.0","active":true,"versions":{}}`
	goodDefinition = `name = "kv"
version = "1.0.0"
binary = "kv"
[service]
start = "kv --listen=:{port}"
port = 9200
`
)

// newHome returns a home with one good package, kv.
func newHome(t *testing.T) *Home {
	t.Helper()
	h := Open(t.TempDir())
	h.write(t, "modules/kv.json", goodReceipt)
	h.write(t, "store/kv/1.0.0/package.toml", goodDefinition)
	h.write(t, "store/kv/1.0.0/kv", "")
	return h
}

func (h *Home) write(t *testing.T, path, content string) {
	t.Helper()
	path = h.at(path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (h *Home) at(path string) string { return filepath.Join(h.dir, filepath.FromSlash(path)) }

// link puts a link to target in the place of a file.
func (h *Home) link(t *testing.T, path, target string) {
	t.Helper()
	os.Remove(h.at(path))
	if err := os.Symlink(target, h.at(path)); err != nil {
		t.Skip(err)
	}
}

// loadFails loads kv, which must fail with the error want. HOME in it stands for the home.
func (h *Home) loadFails(t *testing.T, want string) {
	t.Helper()
	s, err := h.Load("kv")
	if err == nil {
		t.Fatalf("got %+v; want the error %q", s, want)
	}
	if got := strings.ReplaceAll(err.Error(), h.dir, "HOME"); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestLoad(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	want := Service{
		Name: "kv", Version: "1.0.0", Dir: h.at("store/kv/1.0.0"), Binary: h.at("store/kv/1.0.0/kv"), Port: 9200, Health: "/health",
		StartTimeout: 10 * time.Second, StopTimeout: 5 * time.Second, HealthTimeout: 2 * time.Second,
	}
	if got, err := h.Load("kv"); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	// An upgrade is picked up by the next call.
	h.write(t, "store/kv/2.0.0/package.toml", "binary=\"new\"\n[service]\nport=1\nhealth=\"/\"\nstartup=\"eager\"\nstart-timeout=\"1h\"\n"+
		"stop-timeout=\"5s\"\nhealth-timeout=\"1ms\"\nhealth-retries=3\nstart=\"new\"\nrestart=\"always\"")
	h.write(t, "store/kv/2.0.0/new", "")
	h.write(t, "modules/kv.json", `{"schema":1,"current":"2.0.0"}`)
	definition := h.at("store/kv/2.0.0/package.toml")
	want = Service{
		Name: "kv", Version: "2.0.0", Dir: h.at("store/kv/2.0.0"), Binary: h.at("store/kv/2.0.0/new"), Port: 1, Health: "/", Eager: true,
		StartTimeout: time.Hour, StopTimeout: 5 * time.Second, StopTimeoutSet: true, HealthTimeout: time.Millisecond, HealthRetries: 3,
		Warnings: []string{
			definition + `: unknown key "restart" under [service] has no effect`,
			definition + `: start = "new" under [service] has no effect: what runs is "new --listen=:{port}"`,
		},
	}
	if got, err := h.Load("kv"); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("after an upgrade: got %+v, %v; want %+v", got, err, want)
	}
	h.write(t, "modules/kv.json", `{"schema":1,"current":"2.0.0","active":false}`)
	if got, err := h.Load("kv"); err != nil || got.Eager {
		t.Errorf("an inactive package: got eager %v, %v", got.Eager, err)
	}
}

// If only the binary is missing, Load returns the service too.
func TestLoadWithoutBinary(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	os.Remove(h.at("store/kv/1.0.0/kv"))
	s, err := h.Load("kv")
	if err == nil || s.Name != "kv" || s.Port != 9200 || s.StopTimeout != 5*time.Second {
		t.Errorf("got %+v, %v", s, err)
	}
}

// A start logs a few lines, even if thousands of keys have no effect.
func TestManyWarnings(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	var keys strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&keys, "%c%d = 1\n", 'a'+i%26, i)
	}
	h.write(t, "store/kv/1.0.0/package.toml", goodDefinition+keys.String())
	s, err := h.Load("kv")
	if err != nil || len(s.Warnings) != 11 || !strings.HasSuffix(s.Warnings[10], ": 990 more unknown keys under [service]") {
		t.Errorf("got %q, %v", s.Warnings, err)
	}
}

// The protocol fixes the text of these errors.
func TestLoadErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		definition, want string
	}{
		{`binary = "kv"`, "package 'kv' has no service section"},
		{"[Service]\nport = 1", "package 'kv' has no service section"},
		{"binary = \"kv\"\n[service]\nstart = \"kv\"", "service 'kv' has no port configured"},
		{"binary = \"kv\"\n[service]\nPort = 9200", "service 'kv' has no port configured"},
		{"[service]\nport = 9200", "package 'kv' has no binary"},
		{"Binary = \"kv\"\n[service]\nport = 9200", "package 'kv' has no binary"},
		{"", "package 'kv' has no service section"},
		{"binary = \"other\"\n[service]\nport = 9200", "binary not found: HOME/store/kv/1.0.0/other"},
	} {
		h := newHome(t)
		h.write(t, "store/kv/1.0.0/package.toml", c.definition)
		h.loadFails(t, filepath.FromSlash(c.want))
	}
}

func TestLoadNotFound(t *testing.T) {
	t.Parallel()
	for _, h := range []*Home{Open(t.TempDir()), newHome(t)} {
		if _, err := h.Load("other"); err == nil || err.Error() != "package 'other' not found" {
			t.Errorf("got %v", err)
		}
	}
	h := newHome(t)
	h.write(t, "modules/kv.json", `{"schema":1,"current":"9.9.9"}`)
	h.loadFails(t, `HOME/modules/kv.json: version "9.9.9" is not in HOME/store/kv`)
	os.Mkdir(h.at("store/kv/9.9.9"), 0o755)
	h.loadFails(t, "stat HOME/store/kv/9.9.9/package.toml: no such file or directory")
	h.link(t, "modules/kv.json", "gone.json")
	h.loadFails(t, `HOME/modules/kv.json: a link to "gone.json", which is not there`)
}

// Names that try to reach another file find nothing, even where there is one.
func TestLoadNames(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.write(t, "outside.json", goodReceipt)
	h.write(t, "modules/Upper.json", goodReceipt)
	for _, name := range []string{
		"", ".", "..", "../outside", "../modules/kv", "kv/", "/kv", "./kv", `..\outside`, "kv\x00", "kv\n", "kv.json", "Upper",
		"-kv", "kv-", "k--v", "1kv", "k_v", "kv ", " kv", "kv%2f", "ｋv", "é", filepath.Join(h.dir, "outside"),
		"*", "k?", "C:kv", "~",
	} {
		_, err := h.Load(name)
		if err == nil || err.Error() != "package '"+name+"' not found" {
			t.Errorf("%q: got %v", name, err)
		}
	}
	longest := strings.Repeat("k", protocol.MaxName)
	for name, shown := range map[string]string{longest: longest, longest + "k": longest + "…"} {
		if _, err := h.Load(name); err == nil || err.Error() != "package '"+shown+"' not found" {
			t.Errorf("%d bytes: got %v", len(name), err)
		}
	}
}
