package health

import (
	"bytes"
	"io"
	"path"
	"strconv"
	"strings"
)

const (
	maxReply = 64 << 10 // bytes that are read of a reply
	maxLine  = 4 << 10  // bytes of its status line
	fewBytes = 512      // enough for most replies
)

// A reply is what has arrived of a service's reply. Interim replies (1xx) are skipped.
type reply struct {
	known bool // the status code has arrived
	code  int  // 0 if the reply is not HTTP

	part    part
	buf     []byte // fewBytes, or maxLine if they are too few
	n       int    // bytes in buf: a line that is not complete
	total   int    // bytes that were read
	sized   bool   // the head has a Content-Length
	missing int    // bytes of the body, if it is sized
}

type part int

const (
	statusLine part = iota
	head
	body
)

// whole reports whether as much has arrived as Content-Length says.
func (r *reply) whole() bool { return r.part == body && r.sized && r.missing <= 0 }

// readFrom reads once. At the end of the reply, or after maxReply bytes, it returns io.EOF.
func (r *reply) readFrom(from io.Reader) error {
	if r.n == len(r.buf) {
		more := fewBytes
		if r.n > 0 {
			more = maxLine - fewBytes
		}
		r.buf = append(r.buf, make([]byte, more)...)
	}
	n, err := from.Read(r.buf[r.n:])
	r.n += n
	r.total += n
	if err == nil && r.total >= maxReply {
		err = io.EOF
	}
	r.parse(err == io.EOF)
	return err
}

// parse takes complete lines and the body out of buf. A line that fills buf counts as complete, and
// so does the last one.
func (r *reply) parse(ended bool) {
	data := r.buf[:r.n]
	for r.part != body {
		line, rest, found := bytes.Cut(data, []byte("\n"))
		full := len(line) == maxLine
		if !found && !full && (!ended || len(line) == 0) {
			break
		}
		r.line(string(line), full)
		data = rest
	}
	if r.part == body {
		r.missing -= len(data)
		data = nil
	}
	r.n = copy(r.buf, data)
}

func (r *reply) line(line string, tooLong bool) {
	name, value, _ := strings.Cut(strings.TrimSpace(line), ":")
	switch {
	case r.part == statusLine:
		r.code, r.part, r.sized = 0, head, false
		if !tooLong {
			r.code = statusCode(line)
		}
		r.known = r.code < 100 || r.code > 199
	case strings.EqualFold(name, "Content-Length"):
		if n, err := strconv.ParseUint(strings.TrimSpace(value), 10, 31); err == nil {
			r.sized, r.missing = true, int(n)
		}
	case name != "":
	case r.known:
		r.part = body
	default:
		r.part = statusLine
	}
}

// statusCode parses "HTTP/1.1 200 OK": the version, one space, three digits, and then a space or
// the end. It returns 0 for another line.
func statusCode(line string) int {
	version, rest, _ := strings.Cut(strings.TrimSuffix(line, "\r"), " ")
	digits, _, _ := strings.Cut(rest, " ")
	isHTTP, _ := path.Match("HTTP/[0-9].[0-9]", version)
	isCode, _ := path.Match("[0-9][0-9][0-9]", digits)
	if !isHTTP || !isCode {
		return 0
	}
	code, _ := strconv.Atoi(digits)
	return code
}
