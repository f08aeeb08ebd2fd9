//go:build unix

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"zr/internal/daemon"
	"zr/internal/supervisor"
)

func TestCount(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ states, want string }{
		{"", "no services"},
		{"starting", "1 service: 1 starting"},
		{"running failed", "2 services: 1 running, 1 failed"},
		{"starting running running", "3 services: 2 running, 1 starting"},
		{"failed starting running failed", "4 services: 1 running, 1 starting, 2 failed"},
	} {
		var infos []supervisor.Info
		for _, state := range strings.Fields(c.states) {
			infos = append(infos, supervisor.Info{Status: state})
		}
		if got := count(infos); got != c.want {
			t.Errorf("%s: %q, want %q", c.states, got, c.want)
		}
	}
}

type noServices struct{}

func (noServices) Status() []supervisor.Info { return nil }

// A fakeDaemon answers pings, or takes them and says nothing, or no.
type fakeDaemon struct {
	net.Listener
	silent   atomic.Bool
	refusing atomic.Bool
	answered atomic.Int64
	ignored  atomic.Int64
}

func (d *fakeDaemon) serve() {
	for {
		conn, err := d.Accept()
		if err != nil {
			return
		}
		go func() {
			defer conn.Close()
			r := bufio.NewReader(conn)
			if line, _ := r.ReadString('\n'); line == "" || d.silent.Load() {
				d.ignored.Add(1)
				r.ReadString('\n') // until the client gives up
				return
			}
			if d.refusing.Load() {
				d.ignored.Add(1)
				fmt.Fprintln(conn, `{"ok":false,"error":"no"}`)
				return
			}
			d.answered.Add(1)
			fmt.Fprintln(conn, `{"ok":true}`)
		}()
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.String()
}

// socketPath returns a path for a socket, which may have 107 bytes.
func socketPath(t *testing.T) string {
	t.Helper()
	parent := os.TempDir()
	if len(parent) > 70 {
		parent = "/tmp"
	}
	dir, err := os.MkdirTemp(parent, "zrd-")
	if err != nil {
		t.Skipf("no temporary folder with a path that is short enough: %v", err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return filepath.Join(dir, "notify")
}

// The manager hears from the watchdog as often as the daemon has answered, and no
// more once it is silent.
func TestWatchdogOnlyWhileAnswering(t *testing.T) {
	name := socketPath(t)
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &fakeDaemon{Listener: l}
	defer d.Close()
	go d.serve()
	t.Setenv("NOTIFY_SOCKET", name)
	t.Setenv("WATCHDOG_USEC", "200000")
	var log lockedBuffer
	r := newReporter(nil, daemon.NewLogger(&log), l.Addr().String())
	r.services = noServices{}
	go r.run(nil, nil)
	defer r.end()

	heard := int64(0)
	hear := func(limit time.Duration) bool {
		buf := make([]byte, 200)
		for manager.SetReadDeadline(time.Now().Add(limit)) == nil {
			n, err := manager.Read(buf)
			if err != nil {
				return false
			}
			if string(buf[:n]) == "WATCHDOG=1" {
				heard++
				return true
			}
		}
		return false
	}
	// The first comes at once, the next before the time is up; a busy machine may be late now and then.
	for n, last := 0, time.Now(); ; n++ {
		if !hear(time.Minute) {
			t.Fatal("no WATCHDOG=1 from a daemon that answers")
		}
		gap := time.Since(last)
		if last = time.Now(); n > 0 && gap < 200*time.Millisecond {
			break
		}
		if n == 50 {
			t.Fatal("WATCHDOG=1 is always late")
		}
	}
	d.silent.Store(true)
	logged := strings.Count(log.String(), "no answer to the daemon's own ping: ")
	for end := time.Now().Add(time.Minute); d.ignored.Load() < 5; hear(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d pings to a silent daemon, want 5", d.ignored.Load())
		}
	}
	for n := 0; n < 20 && hear(500*time.Millisecond); n++ { // what is under way; it must not go on for ever
	}
	if answered := d.answered.Load(); heard > answered {
		t.Errorf("%d WATCHDOG=1 of a daemon that answered %d pings", heard, answered)
	}
	// One line for one silence, and perhaps one for a slow machine just before it.
	if n := strings.Count(log.String(), "no answer to the daemon's own ping: ") - logged; n > 2 {
		t.Errorf("one silence was logged %d times", n)
	}
	d.refusing.Store(true)
	d.silent.Store(false)
	before := d.ignored.Load()
	for end := time.Now().Add(time.Minute); d.ignored.Load() < before+5 && time.Now().Before(end); {
		hear(10 * time.Millisecond)
	}
	for n := 0; n < 20 && hear(500*time.Millisecond); n++ { // what is under way; it must not go on for ever
	}
	if answered := d.answered.Load(); heard > answered {
		t.Errorf("%d WATCHDOG=1 of a daemon that said yes to %d pings", heard, answered)
	}
	d.refusing.Store(false)
	if !hear(time.Minute) {
		t.Error("no WATCHDOG=1 once the daemon answers again")
	}
	if !strings.Contains(log.String(), "daemon: no answer to the daemon's own ping: ") {
		t.Error("the silence was not logged")
	}
}

// The manager hears of the end also if that begins when all is over already.
func TestStoppingIsAlwaysSaid(t *testing.T) {
	name := socketPath(t)
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	t.Setenv("NOTIFY_SOCKET", name)
	ending := make(chan struct{})
	close(ending)
	for range 20 { // which of the two is seen first is chance
		r := newReporter(nil, daemon.NewLogger(io.Discard), "")
		r.services = noServices{}
		r.stop()
		r.run(nil, ending)
		var said []string
		buf := make([]byte, 200)
		for len(said) == 0 || said[len(said)-1] != "STOPPING=1" {
			manager.SetReadDeadline(time.Now().Add(10 * time.Second))
			n, err := manager.Read(buf)
			if err != nil {
				t.Fatalf("no STOPPING=1 after %q: %v", said, err)
			}
			said = append(said, string(buf[:n]))
		}
	}
}

// slowServices say nothing until they are released.
type slowServices struct{ asked, released chan struct{} }

func (s slowServices) Status() []supervisor.Info {
	close(s.asked)
	<-s.released
	return nil
}

// What is being said when the daemon ends is said to its end; STATUS is said when it changes.
func TestReporterEnds(t *testing.T) {
	name := socketPath(t)
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	t.Setenv("NOTIFY_SOCKET", name)
	r := newReporter(nil, daemon.NewLogger(io.Discard), "")
	slow := slowServices{make(chan struct{}), make(chan struct{})}
	r.services = slow
	go r.run(nil, nil)
	<-slow.asked
	ended := make(chan struct{})
	go func() {
		r.end()
		close(ended)
	}()
	select {
	case <-ended:
		t.Error("it does not wait")
	case <-time.After(50 * time.Millisecond):
	}
	close(slow.released)
	<-ended
	r.services = noServices{}
	r.send()
	r.send("READY=1")
	for _, want := range []string{"STATUS=no services", "READY=1"} {
		buf := make([]byte, 200)
		manager.SetReadDeadline(time.Now().Add(10 * time.Second))
		if n, err := manager.Read(buf); string(buf[:n]) != want {
			t.Errorf("heard %q, %v; want %q", buf[:n], err, want)
		}
	}
}
