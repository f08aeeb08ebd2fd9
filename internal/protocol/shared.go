package protocol

import (
	"errors"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
)

// Both programs need what this file holds, besides the requests and replies.

// DefaultAddr is where the daemon listens by default. The address is compiled into zacor 0.1.0.
const DefaultAddr = "127.0.0.1:19100"

// DefaultHome returns the folder of installed packages: $ZR_HOME, else ~/.zr.
func DefaultHome() (string, error) {
	if home := os.Getenv("ZR_HOME"); home != "" {
		return home, nil
	}
	user, err := os.UserHomeDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(user, ".zr"), nil
}

// MaxName is how many bytes the name of a package may have.
const MaxName = 100

// ValidName reports whether a package can have this name: words of a-z and 0-9 with hyphens between
// them, a letter first. Package regexp would add a quarter of a megabyte to each program.
func ValidName(name string) bool {
	for word := range strings.SplitSeq(name, "-") {
		if word == "" || strings.Trim(word, "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
			return false
		}
	}
	return len(name) <= MaxName && name[0] >= 'a'
}

// TimeFlag returns a function for flag.Func that sets a time.
func TimeFlag(to *time.Duration) func(string) error {
	return func(text string) (err error) {
		if *to, err = time.ParseDuration(text); err != nil {
			err = errors.New("not a time with its unit, as in 30s or 2m")
		}
		return err
	}
}

// Version returns the version of the module as the build recorded it: a tag if there is one, else
// a pseudo-version of the commit, else "(devel)".
func Version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

// Clip returns the first n bytes of text, less those that are not UTF-8, and an ellipsis for the
// rest.
func Clip(text string, n int) string {
	if len(text) <= n {
		return text
	}
	return strings.ToValidUTF8(text[:n], "") + "…"
}

var unquote = strings.NewReplacer(`\\`, `\`, `\"`, `"`)

// Printable makes text from a file, a process or a connection safe for a log and a terminal. It
// replaces everything that is not printable (control characters, bidi controls, bytes that are not
// UTF-8) by its escape in Go's notation, as in \x1b or \u202e.
func Printable(text string) string {
	quoted := strconv.Quote(text)
	return unquote.Replace(quoted[1 : len(quoted)-1])
}
