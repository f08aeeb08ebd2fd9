package packages

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
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
func newHome(t *testing.T) Home {
	t.Helper()
	h := Home(t.TempDir())
	h.write(t, "modules/kv.json", goodReceipt)
	h.write(t, "store/kv/1.0.0/package.toml", goodDefinition)
	h.write(t, "store/kv/1.0.0/kv", "")
	return h
}

func (h Home) write(t *testing.T, path, content string) {
	t.Helper()
	path = h.at(path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func (h Home) at(path string) string { return filepath.Join(string(h), filepath.FromSlash(path)) }

// loadFails loads kv, which must fail with the error want, where HOME stands
// for the home.
func (h Home) loadFails(t *testing.T, want string) {
	t.Helper()
	s, err := h.Load("kv")
	if err == nil {
		t.Fatalf("got %+v; want the error %q", s, want)
	}
	if got := strings.ReplaceAll(err.Error(), string(h), "HOME"); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestLoad(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	want := Service{"kv", "1.0.0", h.at("store/kv/1.0.0/kv"), 9200, "/health"}
	if got, err := h.Load("kv"); err != nil || got != want {
		t.Errorf("got %+v, %v; want %+v", got, err, want)
	}
	// An upgrade is picked up by the next call.
	h.write(t, "store/kv/2.0.0/package.toml", "binary=\"new\"\n[service]\nport=1\nhealth=\"/\"")
	h.write(t, "store/kv/2.0.0/new", "")
	h.write(t, "modules/kv.json", `{"schema":1,"current":"2.0.0"}`)
	want = Service{"kv", "2.0.0", h.at("store/kv/2.0.0/new"), 1, "/"}
	if got, err := h.Load("kv"); err != nil || got != want {
		t.Errorf("after an upgrade: got %+v, %v; want %+v", got, err, want)
	}
}

// These are the words of the wire.
func TestLoadErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		about, definition, want string
	}{
		{"no service section", `binary = "kv"`, "package 'kv' has no service section"},
		{"service in another case", "[Service]\nport = 1", "package 'kv' has no service section"},
		{"no port", "binary = \"kv\"\n[service]\nstart = \"kv\"", "service 'kv' has no port configured"},
		{"port in another case", "binary = \"kv\"\n[service]\nPort = 9200", "service 'kv' has no port configured"},
		{"no binary", "[service]\nport = 9200", "package 'kv' has no binary"},
		{"binary in another case", "Binary = \"kv\"\n[service]\nport = 9200", "package 'kv' has no binary"},
		{"nothing at all", "", "package 'kv' has no service section"},
		{"missing binary", "binary = \"other\"\n[service]\nport = 9200", "binary not found: HOME/store/kv/1.0.0/other"},
	} {
		t.Run(c.about, func(t *testing.T) {
			t.Parallel()
			h := newHome(t)
			h.write(t, "store/kv/1.0.0/package.toml", c.definition)
			h.loadFails(t, filepath.FromSlash(c.want))
		})
	}
}

func TestLoadNotFound(t *testing.T) {
	t.Parallel()
	for _, h := range []Home{Home(t.TempDir()), newHome(t)} {
		if _, err := h.Load("other"); err == nil || err.Error() != "package 'other' not found" {
			t.Errorf("got %v", err)
		}
	}
	h := newHome(t)
	h.write(t, "modules/kv.json", `{"schema":1,"current":"9.9.9"}`)
	h.loadFails(t, "open HOME/store/kv/9.9.9/package.toml: no such file or directory")
}

// Names that try to reach another file find nothing, even where there is one.
func TestLoadNames(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.write(t, "outside.json", goodReceipt)
	h.write(t, "modules/Upper.json", goodReceipt)
	for _, name := range []string{
		"", ".", "..", "../outside", "../modules/kv", "kv/", "/kv", "./kv", `..\outside`, "kv\x00", "kv\n", "kv.json", "Upper",
		"-kv", "kv-", "k--v", "1kv", "k_v", "kv ", " kv", "kv%2f", "ｋv", "é", filepath.Join(string(h), "outside"),
		strings.Repeat("k", maxName+1), "*", "k?", "C:kv", "~",
	} {
		_, err := h.Load(name)
		if err == nil || err.Error() != "package '"+name+"' not found" {
			t.Errorf("%q: got %v", name, err)
		}
	}
	long := strings.Repeat("k", maxName)
	if _, err := h.Load(long); err == nil || err.Error() != "package '"+long+"' not found" {
		t.Errorf("the longest name: got %v", err)
	}
}

func TestQuote(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		value any
		want  string
	}{
		{int64(70000), "70000"}, {1.5, "1.5"}, {true, "true"}, {"a\nb", `"a\nb"`},
		{[]any{"a\nb"}, `"[a\nb]"`}, {map[string]any{"a": "\x1b"}, `"map[a:\x1b]"`},
		{strings.Repeat("é", 200), `"` + strings.Repeat("é", 49) + "…"},
	} {
		if got := quote(c.value); got != c.want {
			t.Errorf("%v: got %s, want %s", c.value, got, c.want)
		}
	}
}
