package health

import (
	"regexp"
	"strconv"
	"testing"
)

var statusRE = regexp.MustCompile(`(?s)^HTTP/[0-9]\.[0-9] ([0-9]{3})( .*)?$`)

// statusModel says the same as statusCode, by way of a regular expression.
func statusModel(line []byte) int {
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	match := statusRE.FindSubmatch(line)
	if match == nil {
		return 0
	}
	code, _ := strconv.Atoi(string(match[1]))
	return code
}

func FuzzStatusCode(f *testing.F) {
	for _, seed := range []string{
		"HTTP/1.0 200 OK\r", "HTTP/1.1 200", "HTTP/1.1 200\r", "HTTP/1.1 200 ", "HTTP/1.0 404 Not 200", "HTTP/1.0 2000 OK",
		"HTTP/1.0 20", "HTTP/1.0 20 ", "HTTP/1.0  200 OK", "HTTP/1.0\t200 OK", "HTTP/2 200", "HTTP/10.0 200 OK", "http/1.0 200 OK",
		"HTTP/1.0 +20", "HTTP/1.0 -20", "HTTP/1.0 2 0", "HTTP/1.0 200\x00", "HTTP/1.0 200\r\r", "HTTP/\xb2.0 200", "HTTP/1.0 ２00", "", "\r", "HTTP/",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		if got, want := statusCode(string(line)), statusModel(line); got != want {
			t.Errorf("%q: got %d; the model says %d", line, got, want)
		}
	})
}
