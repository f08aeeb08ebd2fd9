package daemon

import (
	"io"
	"log"
	"strings"
	"sync"
	"time"

	"zr/internal/protocol"
)

// logQueue is how many lines may wait for a slow reader of the log. Further lines are dropped.
const logQueue = 1024

// maxMessage bounds the length of a line: 2 KiB with an ellipsis.
const maxMessage = 2<<10 - len("…")

// A Logger writes lines of the form "daemon: …", each in one write. It never waits for their
// reader. A stopped terminal, a full pipe or a closed one costs lines and nothing else.
type Logger struct {
	*log.Logger
	lines chan []byte
	done  chan struct{}

	mu         sync.Mutex
	quietUntil time.Time // Complainf logs nothing before; mu guards it
}

// NewLogger returns a Logger that writes to w. If w is standard error, the program must catch
// SIGPIPE.
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

// Complainf logs an error that clients can cause, at most once a second.
func (l *Logger) Complainf(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now(); !now.Before(l.quietUntil) {
		l.quietUntil = now.Add(time.Second)
		l.Printf(format, args...)
	}
}

// Close writes the queued lines, for at most a second. Later lines are dropped.
func (l *Logger) Close() {
	l.SetOutput(io.Discard)
	close(l.lines)
	select {
	case <-l.done:
	case <-time.After(time.Second):
	}
}

type logWriter Logger

// Write queues a message as one line. It cuts a long message before it escapes characters that are
// not printable, because that is slow.
func (l *logWriter) Write(p []byte) (int, error) {
	text := protocol.Clip(strings.TrimSuffix(string(p), "\n"), maxMessage)
	line := protocol.Clip(protocol.Printable(text), maxMessage)
	select {
	case l.lines <- []byte(line + "\n"):
	default:
	}
	return len(p), nil
}
