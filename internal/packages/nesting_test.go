package packages

import (
	"strings"
	"testing"
)

func TestCheckDepth(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("[.{", maxDepth)
	for about, text := range map[string]string{
		"a real one":               goodDefinition,
		"as deep as allowed":       "a = " + strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth),
		"dots as allowed":          strings.Repeat("a.", maxDepth) + "a = 1",
		"many, but not deep":       strings.Repeat("[[a]]\nb.c.d = [{e = 1.5}, {f.g = 'x'}]\n", 1000),
		"in a comment":             "# " + deep + "\na = 1 # " + deep,
		"in a string":              `a = "` + deep + `"`,
		"behind an escaped quote":  `a = "\"` + deep + `"`,
		"in a literal string":      `a = '\` + deep + `'`,
		"in a long string":         "a = \"\"\"\n" + deep + "\"\" \\\"\"\" " + deep + `"""`,
		"behind a quote in one":    `a = """x " ` + deep + `"""`,
		"in a long literal string": "a = '''\n''" + deep + "\\'''",
		"after quotes at the end":  `a = """x"""""` + "\n# '" + "\nb = '''x'''''\nc = 1 # " + deep,
		"after empty strings":      `a = ["", '', """""", '''''']` + "\n#" + deep,
		"in a quoted key":          `"` + deep + `" = 1`,
		"unterminated":             `a = "` + deep,
		"unterminated, escape":     `a = "\`,
		"unterminated, long":       `a = """` + deep,
	} {
		if err := checkDepth(text); err != nil {
			t.Errorf("%s: %v", about, err)
		}
	}
	for about, text := range map[string]string{
		"arrays":                 "\na = " + strings.Repeat("[", maxDepth+1),
		"inline tables":          "\na = " + strings.Repeat("{a = ", maxDepth+1),
		"both":                   "\na = " + strings.Repeat("[{a = ", maxDepth/2+1),
		"dots":                   "\n" + strings.Repeat("a.", maxDepth+1) + "a = 1",
		"spaced and quoted dots": "\n" + strings.Repeat(`"" . `, maxDepth+1) + "a = 1",
		"table":                  "\n[" + strings.Repeat("a.", maxDepth) + "a]",
		"after a string":         "a = \"\"\"\n" + `"""""` + strings.Repeat("[", maxDepth+1),
		"after a long one":       "a = '''\n'''" + strings.Repeat("[", maxDepth+1),
		"after a backslash":      "a = '\\'\n" + strings.Repeat("[", maxDepth+1),
		"after a quote too many": `a = """x""""` + "\n" + strings.Repeat("[", maxDepth+1),
	} {
		if err := checkDepth(text); err == nil || err.Error() != "line 2: nested deeper than 64 levels" {
			t.Errorf("%s: got %v", about, err)
		}
	}
}

// A definition of the greatest size, whatever it nests, is refused without the
// gigabytes that the parser would take for it.
func TestDeepDefinitions(t *testing.T) {
	t.Parallel()
	for _, unit := range []string{"[", "a.", "{a=", "[{a.a=", "a=[", "[a.", `"".`, "[["} {
		for _, start := range []string{"", "a=", "["} {
			if _, err := parseDefinition(start + strings.Repeat(unit, maxFile/len(unit))); err == nil {
				t.Errorf("%s%s… was taken", start, unit)
			}
		}
	}
}
