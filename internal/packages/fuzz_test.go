package packages

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

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
