package packages

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func installFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestEager(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	const active, eager = `{"schema":1,"current":"1.0.0"}`, "[service]\nport = 9200\nstartup = \"eager\"\n"
	for _, p := range []struct{ name, receipt, definition string }{
		{"web", active, eager},
		{"kv", `{"schema":1,"current":"1.0.0","active":true}`, eager},
		{"off", `{"schema":1,"current":"1.0.0","active":false}`, eager},
		{"off-broken", `{"schema":1,"current":"1.0.0","active":false}`, "startup = = "},
		{"lazy", active, strings.Replace(eager, "eager", "lazy", 1)},
		{"silent", active, "[service]\nport = 9200\n"},
		{"tool", active, "name = \"tool\"\n"},
		{"top", active, "startup = \"eager\"\n[service]\nport = 9200\n"}, // the wrong table
		{"bad-definition", active, "[service]\nstartup = \"always\"\n"},
		{"bad-receipt", `{"schema":2,"current":"1.0.0"}`, eager},
		{"Bad-Name", active, eager},
	} {
		installFile(t, filepath.Join(home, "modules", p.name+".json"), p.receipt)
		installFile(t, filepath.Join(home, "store", p.name, "1.0.0", "package.toml"), p.definition)
	}
	installFile(t, filepath.Join(home, "modules", "gone.json"), active)
	installFile(t, filepath.Join(home, "modules", "no-definition.json"), active)
	installFile(t, filepath.Join(home, "store", "no-definition", "1.0.0", "package.yaml"), "")
	installFile(t, filepath.Join(home, "modules", "README"), "not a receipt")

	h := Open(home)
	names, err := h.Names()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, name := range names {
		if eager, err := h.Eager(name); err != nil {
			got = append(got, name+"!")
		} else if eager {
			got = append(got, name)
		}
	}
	if want := "bad-definition! bad-receipt! gone! kv web"; strings.Join(got, " ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

func TestEagerBrokenErrors(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	receipt := filepath.Join(home, "modules", "kv.json")
	definition := filepath.Join(home, "store", "kv", "1.0.0", "package.toml")
	installFile(t, receipt, `{"schema":1,"current":"1.0.0"}`)
	for _, c := range []struct{ path, content, want string }{
		{definition, "[service]\nstartup = \"always\"\n", definition + `: line 2 (last key "service.startup"): "always" is neither "eager" nor "lazy"`},
		{receipt, `{"schema":2,"current":"1.0.0"}`, receipt + ": receipt schema 2 is newer than 1: this home belongs to a newer zacor"},
	} {
		installFile(t, c.path, c.content)
		if eager, err := Open(home).Eager("kv"); err == nil || eager || err.Error() != c.want {
			t.Errorf("got %v, %v; want %s", eager, err, c.want)
		}
	}
}

func TestNamesWithoutModules(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	if names, err := Open(home).Names(); len(names) != 0 || err != nil {
		t.Errorf("a fresh home: %v, %v; want nothing", names, err)
	}
	installFile(t, filepath.Join(home, "modules"), "a file in the folder's place")
	if _, err := Open(home).Names(); err == nil || !strings.HasPrefix(err.Error(), "cannot list the installed packages: ") {
		t.Errorf("got %v, want an error", err)
	}
	missing := filepath.Join(home, "missing")
	if _, err := Open(missing).Names(); err == nil || !strings.HasPrefix(err.Error(), "no packages in the home "+missing+": ") {
		t.Errorf("got %v, want an error", err)
	}
}
