package protocol

import (
	"strconv"
	"strings"
)

var unquote = strings.NewReplacer(`\\`, `\`, `\"`, `"`)

// Printable makes text from a file, a process or a connection safe for a log and a terminal. It
// replaces everything that is not printable (control characters, bidi controls, bytes that are not
// UTF-8) by its escape in Go's notation, as in \x1b or \u202e.
func Printable(text string) string {
	quoted := strconv.Quote(text)
	return unquote.Replace(quoted[1 : len(quoted)-1])
}
