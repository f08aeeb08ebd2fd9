package main

import (
	"os"
	"strconv"
)

// terminal reports whether a person is likely to read f.
func terminal(f *os.File) bool {
	st, err := f.Stat()
	return err == nil && st.Mode()&os.ModeCharDevice != 0
}

// fancy reports whether f is a terminal that understands escape sequences.
func fancy(f *os.File) bool {
	return terminal(f) && os.Getenv("TERM") != "dumb"
}

// width returns the columns of the terminal f, or 0 if f is no terminal or its size is unknown.
func width(f *os.File) int {
	if !terminal(f) {
		return 0
	}
	if n := windowColumns(f); n > 0 {
		return n
	}
	n, _ := strconv.Atoi(os.Getenv("COLUMNS"))
	return max(n, 0)
}
