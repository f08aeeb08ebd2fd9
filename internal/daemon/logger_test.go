package daemon

import (
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// stuckWriter takes nothing until it is released.
type stuckWriter struct {
	released chan struct{}
	taken    []string
}

func (w *stuckWriter) Write(p []byte) (int, error) {
	<-w.released
	w.taken = append(w.taken, string(p))
	return len(p), nil
}

func TestLogger(t *testing.T) {
	t.Parallel()
	log := &logText{}
	l := NewLogger(log)
	l.Printf("service '%s' unhealthy", "kv")
	l.Print("two\nlines\n")
	l.Print("")
	l.Print("\x1b[2J\t\x7f\u009b\u202e\xff é")
	l.Close()
	want(t, "the log", log.String(), "daemon: service 'kv' unhealthy\ndaemon: two\\nlines\ndaemon: \n"+
		`daemon: \x1b[2J\t\x7f\u009b\u202e\xff é`+"\n")
}

// A line is bounded.
func TestLongMessage(t *testing.T) {
	t.Parallel()
	log := &logText{}
	l := NewLogger(log)
	l.Print(strings.Repeat("é", 1<<20))
	l.Close()
	if got := log.String(); len(got) > 2<<10+1 || !strings.HasPrefix(got, "daemon: éé") || !strings.HasSuffix(got, "éé…\n") {
		t.Errorf("%d bytes: %.50q", len(got), got)
	}
}

// A writer that is stuck blocks no caller: up to logQueue lines wait for it, and further lines are
// dropped.
func TestLoggerNeverBlocks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &stuckWriter{released: make(chan struct{})}
		l := NewLogger(w)
		l.Print(0)
		synctest.Wait() // the writer has it
		for i := range 2 * logQueue {
			l.Print(i + 1)
		}
		close(w.released)
		l.Close()
		if len(w.taken) != 1+logQueue {
			t.Fatalf("%d lines were written", len(w.taken))
		}
		for i, line := range w.taken {
			want(t, "in order", line, fmt.Sprintf("daemon: %d\n", i))
		}
	})
}

// Close waits a second for a stuck writer. Later lines are dropped.
func TestLoggerCloseGivesUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &stuckWriter{released: make(chan struct{})}
		l := NewLogger(w)
		l.Print("a")
		start := time.Now()
		l.Close()
		if took := time.Since(start); took != time.Second {
			t.Errorf("it took %v", took)
		}
		l.Print("late")
		close(w.released)
	})
}

// A closed pipe costs lines and nothing else.
func TestLoggerWithoutReader(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	defer w.Close()
	l := NewLogger(w)
	for range 100 {
		l.Print("x")
	}
	l.Close()
}

// An error that clients can cause is logged once a second.
func TestComplaints(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := &logText{}
		l := NewLogger(log)
		for range 25 {
			l.Complainf("connection error: %v", io.ErrUnexpectedEOF)
			time.Sleep(100 * time.Millisecond)
		}
		l.Close()
		want(t, "the log of 2.5 s", log.String(), strings.Repeat("daemon: connection error: unexpected EOF\n", 3))
	})
}
