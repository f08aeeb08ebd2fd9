package packages

import (
	"strings"
	"testing"
)

func TestEager(t *testing.T) {
	t.Parallel()
	const active, off = `{"schema":1,"current":"1.0.0"}`, `{"schema":1,"current":"1.0.0","active":false}`
	const eager = "[service]\nport = 9200\nstartup = \"eager\"\n"
	h := Open(t.TempDir())
	for _, p := range []struct{ name, receipt, definition string }{
		{"web", active, eager},
		{"kv", `{"schema":1,"current":"1.0.0","active":true}`, eager},
		{"off", off, eager},
		{"off-broken", off, "startup = = "},
		{"lazy", active, strings.Replace(eager, "eager", "lazy", 1)},
		{"silent", active, "[service]\nport = 9200\n"},
		{"tool", active, "name = \"tool\"\n"},
		{"top", active, "startup = \"eager\"\n[service]\nport = 9200\n"}, // the wrong table
		{"bad-definition", active, "[service]\nstartup = \"always\"\n"},
		{"bad-receipt", `{"schema":2,"current":"1.0.0"}`, eager},
		{"Bad-Name", active, eager},
	} {
		h.write(t, "modules/"+p.name+".json", p.receipt)
		h.write(t, "store/"+p.name+"/1.0.0/package.toml", p.definition)
	}
	h.write(t, "modules/gone.json", active)
	h.write(t, "modules/no-definition.json", active)
	h.write(t, "store/no-definition/1.0.0/package.yaml", "")
	h.write(t, "modules/README", "not a receipt")

	names, err := h.Names()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, name := range names {
		eager, err := h.Eager(name)
		switch {
		case err != nil:
			got = append(got, strings.ReplaceAll(err.Error(), h.dir, "HOME"))
		case eager:
			got = append(got, name)
		}
	}
	if want := []string{
		`HOME/store/bad-definition/1.0.0/package.toml: line 2 (last key "service.startup"): "always" is neither "eager" nor "lazy"`,
		"HOME/modules/bad-receipt.json: receipt schema 2 is newer than 1: this home belongs to a newer zacor",
		`HOME/modules/gone.json: version "1.0.0" is not in HOME/store/gone`,
		"kv", "web",
	}; strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

func TestNamesWithoutModules(t *testing.T) {
	t.Parallel()
	h := Open(t.TempDir())
	if names, err := h.Names(); len(names) != 0 || err != nil {
		t.Errorf("a new home: %v, %v; want nothing", names, err)
	}
	h.write(t, "modules", "a file in the folder's place")
	missing := Open(h.at("missing"))
	for h, want := range map[*Home]string{
		h: "cannot list the installed packages: ", missing: "no packages in the home " + missing.dir + ": ",
	} {
		if _, err := h.Names(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
