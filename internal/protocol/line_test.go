package protocol

import (
	"bytes"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
)

func TestReadLine(t *testing.T) {
	t.Parallel()
	full := strings.Repeat("x", MaxLine)
	for _, c := range []struct {
		about, input, line string
		more               bool
		err                error
	}{
		{"newline", "ping\n", "ping", false, nil},
		{"CRLF is left to the decoder", "ping\r\n", "ping\r", false, nil},
		{"end of input instead", "ping", "ping", false, nil},
		{"nothing", "", "", false, nil},
		{"empty line", "\n", "", false, nil},
		{"more behind it", "ping\nping\n", "ping", true, nil},
		{"a line that fills the buffer", full[:255] + "\n", full[:255], true, nil},
		{"a short line exactly", full[:shortLine] + "\n", full[:shortLine], false, nil},
		{"the longest, which fills the buffer too", full + "\n", full, true, nil},
		{"the longest, with the end of input", full, full, false, nil},
		{"one byte more", full + "x\n", "", true, ErrLineTooLong},
		{"one byte more, with the end of input", full + "x", "", true, ErrLineTooLong},
		{"far more", full + full + full, "", true, ErrLineTooLong},
	} {
		for how, wrap := range map[string]func(io.Reader) io.Reader{
			"at once":         func(r io.Reader) io.Reader { return r },
			"byte by byte":    iotest.OneByteReader,
			"half by half":    iotest.HalfReader,
			"end with data":   iotest.DataErrReader,
			"with idle reads": func(r io.Reader) io.Reader { return &hesitant{r: r} },
		} {
			line, more, err := NewLineReader().ReadLine(wrap(strings.NewReader(c.input)))
			if string(line) != c.line || !errors.Is(err, c.err) {
				t.Errorf("%s, %s: got %d bytes, %v; want %d bytes, %v", c.about, how, len(line), err, len(c.line), c.err)
			}
			if how == "at once" && more != c.more {
				t.Errorf("%s: more: %v; want %v", c.about, more, c.more)
			}
		}
	}
}

// hesitant returns 0 bytes and no error before each read, as a reader may.
type hesitant struct {
	r     io.Reader
	ready bool
}

func (h *hesitant) Read(p []byte) (int, error) {
	if h.ready = !h.ready; h.ready {
		return 0, nil
	}
	return h.r.Read(p)
}

// If more input were not reported, the daemon would close on it and reset the connection.
func TestReadLineReportsMore(t *testing.T) {
	t.Parallel()
	for size := range 2 * shortLine {
		input := strings.Repeat("x", size) + "\n"
		_, more, err := NewLineReader().ReadLine(strings.NewReader(input + "more"))
		if !more || err != nil {
			t.Fatalf("a line of %d bytes and more behind it: more is %v, %v", size, more, err)
		}
	}
}

func TestReadLinePassesErrorsOn(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for _, input := range []string{"", "pi", strings.Repeat("x", MaxLine)} {
		_, _, err := NewLineReader().ReadLine(io.MultiReader(strings.NewReader(input), iotest.ErrReader(broken)))
		if err != broken {
			t.Errorf("after %d bytes: got %v", len(input), err)
		}
	}
}

// At most maxLong long lines are held at once. Short lines are not limited. A line that ends frees
// its place.
func TestReadLineBoundsLongLines(t *testing.T) {
	t.Parallel()
	lines := NewLineReader()
	long := bytes.Repeat([]byte("x"), shortLine+1)
	var writers []*io.PipeWriter
	results := make(chan error, maxLong)
	for range maxLong {
		r, w := io.Pipe()
		writers = append(writers, w)
		go func() {
			_, _, err := lines.ReadLine(r)
			results <- err
		}()
		w.Write(long) // returns when all of it has been read: the place is taken
	}
	if _, _, err := lines.ReadLine(bytes.NewReader(long)); err != ErrTooManyLong {
		t.Errorf("one more long line: got %v", err)
	}
	if line, _, err := lines.ReadLine(strings.NewReader("ping\n")); string(line) != "ping" || err != nil {
		t.Errorf("a short line meanwhile: got %q, %v", line, err)
	}
	writers[0].Write([]byte("\n"))
	if err := <-results; err != nil {
		t.Error(err)
	}
	if _, _, err := lines.ReadLine(bytes.NewReader(long)); err != nil {
		t.Errorf("a long line after one has ended: got %v", err)
	}
	for _, w := range writers[1:] {
		w.CloseWithError(io.ErrClosedPipe) // a client that hangs up frees its place too
		<-results
	}
	if n := len(lines.long); n != 0 {
		t.Errorf("%d places are still taken", n)
	}
}

// A client with half a line costs the bytes that it has sent, not MaxLine.
func TestReadLineMemory(t *testing.T) {
	const clients = 5000
	lines := NewLineReader()
	half := bytes.Repeat([]byte("x"), 200)
	var writers []*io.PipeWriter
	done := make(chan struct{}, clients)
	before := inUse()
	for range clients {
		r, w := io.Pipe()
		writers = append(writers, w)
		go func() {
			lines.ReadLine(r)
			done <- struct{}{}
		}()
		w.Write(half)
	}
	if grown := inUse() - before; grown > clients*MaxLine/4 { // stacks and pipes are most of it
		t.Errorf("%d half lines of 200 bytes hold %d KiB", clients, grown>>10)
	}
	for _, w := range writers {
		w.Close()
		<-done
	}
}

func inUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}
