package packages

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

func TestBounds(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("[.{", maxDepth)
	long := strings.Repeat("k", maxKey)
	for about, text := range map[string]string{
		"as deep as allowed":       "a = " + strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth),
		"dots as allowed":          strings.Repeat("a.", maxDepth) + "a = 1",
		"many, but not deep":       strings.Repeat("[[a]]\nb.c.d = [{e = 1.5}, {f.g = 'x'}]\n", 200),
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
		"a long key":               long + " = 1",
		"a long table name":        "[" + long[:250] + "]\nk = 1",
		"a long value":             "a = '" + strings.Repeat("x", 60_000) + "'",
		"long values":              "a = ['" + long + "', '" + long + "',\n'" + long + "']\nb = {c = '" + long + "', d = 1}",
		"a full file of keys":      "[service]\n" + repeat("%x = 1\n", 10_000),
		"comments and blank lines": strings.Repeat(" # [[[[\n\n", 320<<10/9),
	} {
		if _, err := parseDefinition(text); err != nil {
			t.Errorf("%s: %v", about, err)
		}
	}
	for about, c := range map[string]struct{ text, want string }{
		"arrays":                  {"\na = " + strings.Repeat("[", maxDepth+1), "line 2: nested deeper than 16 levels"},
		"inline tables":           {"\na = " + strings.Repeat("{a = ", maxDepth+1), "line 2: nested deeper than 16 levels"},
		"dots":                    {"\n" + strings.Repeat("a.", maxDepth+1) + "a = 1", "line 2: nested deeper than 16 levels"},
		"dots in inline tables":   {"\na.a.a.a = {" + strings.Repeat("a.a.a.a = {", 4), "line 2: nested deeper than 16 levels"},
		"spaced and quoted dots":  {"\n" + strings.Repeat(`"" . `, maxDepth+1) + "a = 1", "line 2: nested deeper than 16 levels"},
		"table":                   {"\n[" + strings.Repeat("a.", maxDepth) + "a]", "line 2: nested deeper than 16 levels"},
		"after a string":          {"a = \"\"\"\n" + `"""""` + strings.Repeat("[", maxDepth+1), "line 2: nested deeper than 16 levels"},
		"after a long one":        {"a = '''\n'''" + strings.Repeat("[", maxDepth+1), "line 2: nested deeper than 16 levels"},
		"after a backslash":       {"a = '\\'\n" + strings.Repeat("[", maxDepth+1), "line 2: nested deeper than 16 levels"},
		"a key that is too long":  {"\n" + long + "k = 1", "line 2: a key or table name of more than 256 bytes"},
		"one of several parts":    {"\n" + long[:200] + "." + long[:200] + " = 1", "line 2: a key or table name of more than 256 bytes"},
		"one in quotes":           {"\n'" + long + "' = 1", "line 2: a key or table name of more than 256 bytes"},
		"one in an inline table":  {"\na = [{b = 1, " + long + "k = 1}]", "line 2: a key or table name of more than 256 bytes"},
		"a name that is too long": {"\n[" + long + "k]", "line 2: a key or table name of more than 256 bytes"},
		"that of an array":        {"\n[[" + long + "k]]", "line 2: a key or table name of more than 256 bytes"},
		"a long value":            {"a = '" + strings.Repeat("x", 64<<10) + "'", "more than 64 KiB without comments and white space"},
		"many keys with long names": {"[" + long[:250] + "]\n" + repeat("%x = 1\n", 8_000),
			"too much: 8001 keys and tables, names of up to 250 bytes, 1 levels"},
	} {
		if _, err := parseDefinition(c.text); err == nil || err.Error() != c.want {
			t.Errorf("%s: got %v, want %s", about, err, c.want)
		}
	}
}

// repeat writes a unit n times, each with its number for %x.
func repeat(unit string, n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.ReplaceAll(unit, "%x", fmt.Sprintf("%x", i)))
	}
	return b.String()
}

// FuzzDefinitionMemory looks for a definition that is costly to read: text stands before, between
// and behind as many copies of a unit as fit. Each %x in it becomes a number.
func FuzzDefinitionMemory(f *testing.F) {
	long := strings.Repeat("k", 200)
	for _, seed := range [][3]string{
		{"", "%x=1\n", ""}, {"[" + long + "]\n", "%x=1\n", ""}, {"[" + strings.Repeat("a.", 15) + "a]\n", "%x=1\n", ""},
		{"", strings.Repeat("a.", 15) + "%x=1\n", ""}, {"", "%x." + strings.Repeat("a.", 7) + "a=1\n", ""}, {"", "%x.a=1\n", ""},
		{"", "[%x]\n", ""}, {"", "[[a]]\n", ""}, {"", "[[%x]]\nb=1\n", ""}, {"a=[", "{},", "]"}, {"a=[", "{a=1},", "]"}, {"a={", "b%x={},", "}"},
		{strings.Repeat(long+"={", 12), "k%x=1,", strings.Repeat("}", 12)}, {"a=[", "1,", "]"}, {"a=[", "07:32,", "]"},
		{`["` + strings.Repeat(`\"`, 100) + "\"]\n", "%x=1\n", ""}, {"a=\"\"\"", "\\ \n", "\"\"\""}, {"a=", "[", ""}, {"a", ".b", "=1"},
		{"", "#\n", ""}, {"", "\n", "a=,"}, {"[service]\n", "a%x=1\n", ""}, {"", "'''", ""}, {"", "\"\\", ""},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	f.Fuzz(func(t *testing.T, start, unit, end string) {
		if unit == "" || len(unit) > 1000 {
			return
		}
		for _, size := range []int{10 << 10, 40 << 10} {
			n := max(0, size-len(start)-len(end)) / (len(unit) + 3*strings.Count(unit, "%x"))
			text := start + repeat(unit, n) + end
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := parseDefinition(text)
			runtime.ReadMemStats(&after)
			if kib := (after.TotalAlloc - before.TotalAlloc) >> 10; kib > 16<<10 {
				t.Errorf("%d bytes took %d KiB: %.100q %.100q %.100q", len(text), kib, start, unit, end)
			}
			if err != nil && len(err.Error()) > 900 {
				t.Errorf("an error of %d bytes: %q", len(err.Error()), err)
			}
		}
	})
}

// Comments cost time in proportion to their length.
func BenchmarkDefinitionWithComments(b *testing.B) {
	text := "binary = \"kv\"\n[service]\nport = 9200\n" + strings.Repeat("# a comment\n", 64<<10/12)
	for b.Loop() {
		if _, err := parseDefinition(text); err != nil {
			b.Fatal(err)
		}
	}
}
