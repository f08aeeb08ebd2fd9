package packages

import (
	"fmt"
	"strings"
)

// maxDepth is how deep a definition may nest, dots of keys included; real ones
// have a depth of three or four.
const maxDepth = 64

// checkDepth refuses what nests deeper than maxDepth. The TOML parser's time and
// memory grow with the square of the depth: 16 KB of dots take it gigabytes.
func checkDepth(data string) error {
	brackets, dots := 0, 0
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '"', '\'':
			i = stringEnd(data, i)
		case '#':
			i += strings.IndexByte(data[i:]+"\n", '\n') - 1
		case '[', '{':
			brackets++
		case ']', '}':
			brackets--
		case '.':
			dots++
		case '\n', '=', ',':
			dots = 0
		}
		if brackets+dots > maxDepth {
			return fmt.Errorf("line %d: nested deeper than %d levels", 1+strings.Count(data[:i], "\n"), maxDepth)
		}
	}
	return nil
}

// stringEnd returns the index of the last byte of the string that starts at i.
func stringEnd(data string, i int) int {
	quote := data[i : i+1]
	if triple := strings.Repeat(quote, 3); strings.HasPrefix(data[i:], triple) {
		quote = triple
	}
	for i += len(quote); i < len(data); i++ {
		if data[i] == '\\' && quote[0] == '"' {
			i++
		} else if strings.HasPrefix(data[i:], quote) {
			i += len(quote)
			for n := 0; len(quote) == 3 && n < 2 && strings.HasPrefix(data[i:], quote[:1]); n++ {
				i++ // one or two quotes may stand before the closing three
			}
			return i - 1
		}
	}
	return i
}
