package protocol

import (
	"bytes"
	"errors"
	"io"
)

// MaxLine is the longest request line, in bytes and without its newline. It is far more than any
// request needs.
const MaxLine = 64 << 10

// A line longer than shortLine needs one of maxLong places. Requests have a hundred bytes or two.
// Without this limit, a few thousand clients with endless lines would make the daemon hold MaxLine
// bytes for each.
const (
	shortLine = 4 << 10
	maxLong   = 64
)

var (
	// ErrLineTooLong is a line over MaxLine.
	ErrLineTooLong = errors.New("a line of over 64 KiB")
	// ErrTooManyLong is a long line while maxLong others are being read.
	ErrTooManyLong = errors.New("too many lines of over 4 KiB at once")
)

// A LineReader reads any number of request lines at once in bounded memory. It is safe for
// concurrent use.
type LineReader struct{ long chan struct{} }

// NewLineReader returns a LineReader.
func NewLineReader() *LineReader {
	return &LineReader{long: make(chan struct{}, maxLong)}
}

// ReadLine reads one line from r, up to a newline or the end of the input, and returns it without
// the newline. more reports whether input after the line may have arrived. The error is
// ErrLineTooLong, ErrTooManyLong or r's own.
func (l *LineReader) ReadLine(r io.Reader) (line []byte, more bool, err error) {
	buf := make([]byte, 0, 256)
	for {
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if i := bytes.IndexByte(buf[len(buf)-n:], '\n'); i >= 0 {
			end := len(buf) - n + i
			return buf[:end], end+1 < len(buf) || len(buf) == cap(buf), nil
		}
		switch {
		case len(buf) > MaxLine:
			return nil, true, ErrLineTooLong
		case err == io.EOF:
			return buf, false, nil
		case err != nil:
			return nil, false, err
		case len(buf) < cap(buf):
			continue
		case len(buf) == shortLine:
			select {
			case l.long <- struct{}{}:
				defer func() { <-l.long }()
			default:
				return nil, true, ErrTooManyLong
			}
		}
		buf = append(make([]byte, 0, min(4*cap(buf), MaxLine+1)), buf...)
	}
}
