package packages

import (
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// nameRE describes a package name.
var nameRE = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

func FuzzValidName(f *testing.F) {
	for _, seed := range []string{
		"kv", "a", "a1", "a-1", "a-b-c", "", "-", "a-", "-a", "a--b", "1a", "A", "a_b", "a.b", "..", "a/b", `a\b`, "a\x00", "a\n", "é", "a\xff",
		strings.Repeat("a", 100), strings.Repeat("a", 101), strings.Repeat("a-", 50) + "a", strings.Repeat("a-", 49) + "a",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if got, want := ValidName(name), len(name) <= 100 && nameRE.MatchString(name); got != want {
			t.Errorf("%q: got %v; the model says %v", name, got, want)
		}
	})
}

func FuzzParseDefinition(f *testing.F) {
	for _, seed := range []string{
		goodDefinition, "", "\n", "binary = 'kv'\nservice = {port = 0x23F0, health = '/', startup = \"eager\"}",
		"[service]\nport = 0", "[service]\nport = 65536", "[service]\nport = \"1\"", "[[service]]\nport = 1", "service = 1", "[service.port]",
		"[service]\nhealth = \"/a b\"", "[service]\nhealth = \"/\\u0000\\n\"", "[service]\nhealth = '''/\n'''", "service.health = '/é\u2028'",
		"binary = '../kv'", "binary = '..\\kv'", "binary = \"\\u0000\"", "binary = []", "a = 1\na = 2", "a.b.c = [[{d = 1979-05-27T07:32:00Z}], inf, nan]",
		"a = \"\xff\"", "\x00", "\uFEFFa = 1", "a = \"\"\"x\"\"\"\"\"", "a = '''x'''''", "# [[[", "a = [[[[[[[[", strings.Repeat("a.", 70) + "a = 1", "[commands.get]\nargs = [1]",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		def, err := parseDefinition(text)
		if err != nil {
			return
		}
		if def.Port < 0 || def.Port > 65535 || def.Port != 0 && !def.hasService {
			t.Errorf("%q: port %d, service section: %v", text, def.Port, def.hasService)
		}
		if b := def.Binary; strings.ContainsAny(b, "/\\\x00\n") || b == "." || b == ".." || len(b) > len(text) {
			t.Errorf("%q: binary %q", text, b)
		}
		bad := func(r rune) bool { return r <= ' ' || unicode.IsSpace(r) || unicode.IsControl(r) }
		if h := def.Health; h == "" || h[0] != '/' || len(h) > maxHealth || !utf8.ValidString(h) || strings.ContainsFunc(h, bad) {
			t.Errorf("%q: health path %q", text, h)
		}
	})
}
