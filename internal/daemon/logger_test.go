package daemon

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
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
	w := &stuckWriter{released: make(chan struct{})}
	close(w.released)
	l := NewLogger(w)
	l.Printf("service '%s' unhealthy", "kv")
	l.Print("two\nlines\n")
	l.Print("")
	l.Print("\x1b[2J\t\x7f\u009b\u202e\xff é")
	l.Close()
	want(t, "the log", strings.Join(w.taken, "|"), "daemon: service 'kv' unhealthy\n|daemon: two\\nlines\n|daemon: \n|"+
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

// A writer that is stuck holds up nobody: lines wait, those beyond are dropped,
// and what waited is written as soon as it can be.
func TestLoggerNeverBlocks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &stuckWriter{released: make(chan struct{})}
		l := NewLogger(w)
		l.Print(0)
		synctest.Wait() // it is with the writer
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

// Close gives a stuck writer a second and no more; what comes later is dropped.
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

func TestLoggerFromMany(t *testing.T) {
	t.Parallel()
	w := &stuckWriter{released: make(chan struct{})}
	close(w.released)
	l := NewLogger(w)
	var hands sync.WaitGroup
	for range 8 {
		hands.Go(func() {
			for range 20 {
				l.Print("x")
			}
		})
	}
	hands.Wait()
	l.Close()
	want(t, "the log", strings.Join(w.taken, ""), strings.Repeat("daemon: x\n", 160))
}

// A reader that has gone costs lines, and nothing else.
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

// One line a second is logged of what any client can cause.
func TestComplain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &stuckWriter{released: make(chan struct{})}
		close(w.released)
		l := NewLogger(w)
		s := NewServer(&fakeServices{}, l, anybody, 1)
		for range 25 {
			s.complain("connection error: %v", io.ErrUnexpectedEOF)
			time.Sleep(100 * time.Millisecond)
		}
		l.Close()
		want(t, "2.5 s of it", strings.Join(w.taken, ""), strings.Repeat("daemon: connection error: unexpected EOF\n", 3))
	})
}
