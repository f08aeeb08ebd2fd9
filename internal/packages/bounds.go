package packages

import (
	"fmt"
	"strings"
)

// The limits of a definition. They bound the cost of the TOML parser, which keeps the full name of
// each key and a map for each table, and whose time grows with the square of the depth. Comments
// and white space cost it nothing, so only the size of the file limits them.
const (
	maxDefinition = 320 << 10 // bytes of the file
	maxContent    = 64 << 10  // bytes of it that are neither comments nor white space
	maxKey        = 256       // bytes of a key or a table name, dots and quotes included
	maxDepth      = 16        // levels, dots of keys included; real definitions have three or four
	maxMemory     = 4 << 20   // bytes of names and tables, as checkBounds estimates them
)

// checkBounds refuses a definition that is costly to parse. It reads the text once. Where the text
// is not TOML it may count wrong, but there the parser stops too.
func checkBounds(data string) error {
	var content, key, dots, names, longest, deepest int
	var open []int            // for each open bracket: the dots of the key before it
	depth, header := 0, false // depth: the open brackets and the dots in open
	for i := 0; i < len(data); i++ {
		start := i
		switch c := data[i]; c {
		case '#':
			for ; i+1 < len(data) && data[i+1] != '\n'; i++ {
			}
			continue
		case ' ', '\t', '\r':
			continue
		case '\n', ',':
			key, dots = 0, 0
			continue
		case '"', '\'':
			i = stringEnd(data, i)
		case '=':
			longest = max(longest, key)
			names++
		case '.':
			dots++
			names++
		case '[', '{':
			header = len(open) == 0 && key == 0 || header && c == '['
			open = append(open, dots)
			depth += dots + 1
			key, dots = -1, 0
			names++
		case ']', '}':
			if header {
				longest = max(longest, key)
			}
			if n := len(open); n > 0 {
				dots = open[n-1]
				depth -= dots + 1
				open = open[:n-1]
			}
		}
		key += i + 1 - start
		content += i + 1 - start
		deepest = max(deepest, depth+dots)
		line := func() int { return 1 + strings.Count(data[:start], "\n") }
		switch {
		case deepest > maxDepth:
			return fmt.Errorf("line %d: nested deeper than %d levels", line(), maxDepth)
		case longest > maxKey:
			return fmt.Errorf("line %d: a key or table name of more than %d bytes", line(), maxKey)
		}
	}
	if content > maxContent {
		return fmt.Errorf("more than %d KiB without comments and white space", maxContent>>10)
	}
	if names*(deepest*(longest+32)+256) > maxMemory {
		return fmt.Errorf("too much: %d keys and tables, names of up to %d bytes, %d levels",
			names, longest, deepest)
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
