package daemon

import (
	"bytes"
	"io"
	"log"
	"time"
)

// logQueue is how many lines may wait for a slow reader of standard error;
// those beyond are dropped.
const logQueue = 1024

// A Logger writes lines of the form "daemon: …", each in one write. It never waits for
// whoever reads them: a terminal that is held, a full pipe or a closed one
// costs lines and nothing else.
type Logger struct {
	*log.Logger
	lines chan []byte
	done  chan struct{}
}

// NewLogger returns a Logger that writes to w. One that writes to standard error
// needs SIGPIPE to be caught.
func NewLogger(w io.Writer) *Logger {
	l := &Logger{lines: make(chan []byte, logQueue), done: make(chan struct{})}
	l.Logger = log.New((*logWriter)(l), "daemon: ", 0)
	go func() {
		defer close(l.done)
		for line := range l.lines {
			w.Write(line)
		}
	}()
	return l
}

// Close writes what is queued, for at most a second. Nothing may be logged
// afterwards.
func (l *Logger) Close() {
	l.SetOutput(io.Discard)
	close(l.lines)
	select {
	case <-l.done:
	case <-time.After(time.Second):
	}
}

type logWriter Logger

// Write takes one line. One message is one line, whatever an error message
// contains.
func (l *logWriter) Write(p []byte) (int, error) {
	line := bytes.ReplaceAll(bytes.TrimSuffix(p, []byte("\n")), []byte("\n"), []byte(" "))
	select {
	case l.lines <- append(bytes.Clone(line), '\n'):
	default:
	}
	return len(p), nil
}
