//go:build unix

package main

import (
	"bytes"
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
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

// A fakeDaemon has services that run, and counts its pings.
type fakeDaemon struct {
	services         atomic.Int32
	stuck            atomic.Bool // pings fail
	answered, failed atomic.Int32
}

func (d *fakeDaemon) Status() []supervisor.Info {
	return slices.Repeat([]supervisor.Info{{Status: "running"}}, int(d.services.Load()))
}

func (d *fakeDaemon) Ping(context.Context) error {
	if d.stuck.Load() {
		d.failed.Add(1)
		return errors.New("stuck")
	}
	d.answered.Add(1)
	return nil
}

// A manager is the socket of a service manager.
type manager struct {
	t    *testing.T
	conn *net.UnixConn
}

// newManager makes the socket and points $NOTIFY_SOCKET to it.
func newManager(t *testing.T) *manager {
	t.Helper()
	base := os.TempDir()
	if len(base) > 60 { // too long for a socket
		base = "/tmp"
	}
	dir, err := os.MkdirTemp(base, "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	t.Setenv("NOTIFY_SOCKET", filepath.Join(dir, "notify"))
	m := &manager{t: t}
	m.open()
	return m
}

func (m *manager) open() {
	m.t.Helper()
	addr := &net.UnixAddr{Name: os.Getenv("NOTIFY_SOCKET"), Net: "unixgram"}
	conn, err := net.ListenUnixgram("unixgram", addr)
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { conn.Close() })
	m.conn = conn
}

// next returns the next message, or "" if none comes within limit.
func (m *manager) next(limit time.Duration) string {
	buf := make([]byte, 200)
	m.conn.SetReadDeadline(time.Now().Add(limit))
	n, _ := m.conn.Read(buf)
	return string(buf[:n])
}

func (m *manager) want(message string) {
	m.t.Helper()
	if got := m.next(time.Minute); got != message {
		m.t.Errorf("the manager got %q, want %q", got, message)
	}
}

func (m *manager) wantSilence(limit time.Duration) {
	m.t.Helper()
	if got := m.next(limit); got != "" {
		m.t.Errorf("the manager got %q after the end", got)
	}
}

// A report is a reporter that runs.
type report struct {
	log           lockedBuffer
	ready, ending chan struct{}
	end           func() // returns when run has
}

func start(t *testing.T, d *fakeDaemon) *report {
	r := &report{ready: make(chan struct{}), ending: make(chan struct{})}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		(&reporter{services: d, server: d, log: daemon.NewLogger(&r.log)}).run(ctx, r.ready, r.ending)
	}()
	r.end = sync.OnceFunc(func() {
		close(r.ending)
		cancel()
		<-done
	})
	t.Cleanup(r.end)
	return r
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

func (b *lockedBuffer) count(text string) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.Count(b.Buffer.String(), text)
}

func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("no %s within a minute", what)
		}
	}
}

func TestWatchdogNeedsAnswers(t *testing.T) {
	m := newManager(t)
	t.Setenv("WATCHDOG_USEC", "200000")
	var d fakeDaemon
	r := start(t, &d)
	heard := int32(0)
	hear := func(limit time.Duration) {
		if m.next(limit) == "WATCHDOG=1" {
			heard++
		}
	}
	for range 4 {
		hear(time.Minute)
	}
	if heard != 3 { // the fourth message is STATUS
		t.Errorf("%d of 4 messages are WATCHDOG=1", heard)
	}
	d.stuck.Store(true)
	waitFor(t, "failed pings", func() bool {
		hear(10 * time.Millisecond)
		return d.failed.Load() >= 5
	})
	if answered := d.answered.Load(); heard > answered {
		t.Errorf("%d times WATCHDOG=1 after %d answered pings", heard, answered)
	}
	if n := r.log.count("daemon: no answer to the daemon's own ping: stuck\n"); n != 1 {
		t.Errorf("the failed pings are logged %d times", n)
	}
	d.stuck.Store(false)
	m.want("WATCHDOG=1")
}

// A message that cannot be sent is sent as soon as possible, and the failure is logged once.
func TestUnsentIsSentAgain(t *testing.T) {
	m := newManager(t)
	m.conn.Close()
	os.Remove(os.Getenv("NOTIFY_SOCKET"))
	r := start(t, &fakeDaemon{})
	close(r.ready)
	logged := func() int { return r.log.count("cannot notify the service manager: ") }
	waitFor(t, "the line in the log", func() bool { return logged() > 0 })
	m.open()
	var got string
	waitFor(t, "both messages", func() bool {
		got += m.next(time.Minute)
		return strings.Contains(got, "READY=1") && strings.Contains(got, "STATUS=no services")
	})
	if n := logged(); n != 1 {
		t.Errorf("the failure is logged %d times", n)
	}
}

// When the daemon ends, the manager gets STOPPING=1 and a last status, and then nothing.
func TestStoppingIsLast(t *testing.T) {
	m := newManager(t)
	var d fakeDaemon
	r := start(t, &d)
	m.want("STATUS=no services")
	r.ending <- struct{}{}
	m.want("STOPPING=1\nSTATUS=ending")
	close(r.ready)
	d.services.Store(1)
	m.wantSilence(countEvery * 3 / 2)
	r.end()
	m.wantSilence(50 * time.Millisecond)
}
