//go:build unix

package main

import (
	"bytes"
	"context"
	"errors"
	"io"
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

type noServices struct{}

func (noServices) Status() []supervisor.Info { return nil }

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

// pinged counts the pings of the watchdog, and fails them on demand.
type pinged struct {
	failing atomic.Bool
	worked  atomic.Int64
	failed  atomic.Int64
}

func (p *pinged) Ping(context.Context) error {
	if p.failing.Load() {
		p.failed.Add(1)
		return errors.New("stuck")
	}
	p.worked.Add(1)
	return nil
}

// A manager is the socket of a service manager.
type manager struct {
	*net.UnixConn
	t *testing.T
}

// newManager makes the socket and points $NOTIFY_SOCKET to it.
func newManager(t *testing.T) manager {
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
	m := manager{t: t}
	m.open()
	return m
}

func (m *manager) open() {
	m.t.Helper()
	name := os.Getenv("NOTIFY_SOCKET")
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		m.t.Fatal(err)
	}
	m.t.Cleanup(func() { conn.Close() })
	m.UnixConn = conn
}

// next returns the next message, or "" if none comes within limit.
func (m *manager) next(limit time.Duration) string {
	buf := make([]byte, 200)
	m.SetReadDeadline(time.Now().Add(limit))
	n, _ := m.Read(buf)
	return string(buf[:n])
}

// want fails unless the next message is this one.
func (m *manager) want(message string) {
	m.t.Helper()
	if got := m.next(time.Minute); got != message {
		m.t.Errorf("the manager heard %q, want %q", got, message)
	}
}

func newTestReporter(services interface{ Status() []supervisor.Info }, server interface{ Ping(context.Context) error }, log io.Writer) *reporter {
	r := newReporter(nil, nil, daemon.NewLogger(log))
	r.services, r.server = services, server
	return r
}

// The manager hears from the watchdog as long as the daemon works, in time, and no more when it does
// not.
func TestWatchdogOnlyWhileWorking(t *testing.T) {
	m := newManager(t)
	t.Setenv("WATCHDOG_USEC", "200000")
	var log lockedBuffer
	var p pinged
	r := newTestReporter(noServices{}, &p, &log)
	go r.run(nil, nil)
	defer r.end()
	heard := int64(0)
	hear := func(limit time.Duration) {
		if m.next(limit) == "WATCHDOG=1" {
			heard++
		}
	}
	for range 4 { // one of them is STATUS
		hear(time.Minute)
	}
	if heard != 3 {
		t.Errorf("heard %d times of a daemon that works", heard)
	}
	p.failing.Store(true)
	for end := time.Now().Add(time.Minute); p.failed.Load() < 5 && time.Now().Before(end); {
		hear(10 * time.Millisecond)
	}
	if worked := p.worked.Load(); p.failed.Load() < 5 || heard > worked {
		t.Errorf("heard %d times of a daemon that worked %d times, and then failed %d times", heard, worked, p.failed.Load())
	}
	if n := strings.Count(log.String(), "daemon: no answer to the daemon's own ping: stuck\n"); n != 1 {
		t.Errorf("one silence was logged %d times", n)
	}
	p.failing.Store(false)
	m.want("WATCHDOG=1")
}

// READY=1 waits for ready. STATUS is said when it changes.
func TestReady(t *testing.T) {
	m := newManager(t)
	ready := make(chan struct{})
	r := newTestReporter(noServices{}, &pinged{}, io.Discard)
	go r.run(ready, nil)
	defer r.end()
	m.want("STATUS=no services")
	if got := m.next(50 * time.Millisecond); got != "" {
		t.Errorf("the manager heard %q too early", got)
	}
	close(ready)
	m.want("READY=1")
}

// What the manager could not be told is said as soon as possible, and the failure logged once.
func TestUnsentIsSentAgain(t *testing.T) {
	m := newManager(t)
	m.Close()
	os.Remove(os.Getenv("NOTIFY_SOCKET"))
	var log lockedBuffer
	r := newTestReporter(noServices{}, &pinged{}, &log)
	ready := make(chan struct{})
	close(ready)
	go r.run(ready, nil)
	defer r.end()
	for end := time.Now().Add(time.Minute); !strings.Contains(log.String(), "cannot notify") && time.Now().Before(end); {
		time.Sleep(time.Millisecond)
	}
	m.open()
	var said string
	for range 2 { // the first may have come before READY=1
		said += m.next(time.Minute)
		if strings.Contains(said, "READY=1") {
			break
		}
	}
	if !strings.Contains(said, "READY=1") || !strings.Contains(said, "STATUS=no services") {
		t.Errorf("the manager heard %q", said)
	}
	if n := strings.Count(log.String(), "cannot notify the service manager: "); n != 1 {
		t.Errorf("it was logged %d times", n)
	}
}

// The manager hears of the end, also if all is over when it begins. Nothing is said after that.
func TestStoppingIsTheLastWord(t *testing.T) {
	m := newManager(t)
	closed := make(chan struct{})
	close(closed)
	for range 20 { // which of the channels is seen first is chance
		r := newTestReporter(noServices{}, &pinged{}, io.Discard)
		r.stop()
		r.run(closed, closed)
		said := m.next(time.Minute)
		for said != "STOPPING=1\nSTATUS=ending" {
			if said != "STATUS=no services" && said != "READY=1" {
				t.Fatalf("the manager heard %q before the end", said)
			}
			said = m.next(time.Minute)
		}
	}
	if got := m.next(50 * time.Millisecond); got != "" {
		t.Errorf("the manager heard %q after the end", got)
	}
}

// The status does not change any more once the daemon ends.
func TestNoStatusDuringTheEnd(t *testing.T) {
	m := newManager(t)
	ending := make(chan struct{})
	close(ending)
	services := &changingServices{}
	r := newTestReporter(services, &pinged{}, io.Discard)
	go r.run(nil, ending)
	m.want("STATUS=no services")
	m.want("STOPPING=1\nSTATUS=ending")
	services.n.Store(1)
	if got := m.next(countEvery * 3 / 2); got != "" {
		t.Errorf("the manager heard %q after the end", got)
	}
	r.end()
}

type changingServices struct{ n atomic.Int32 }

func (c *changingServices) Status() []supervisor.Info {
	return slices.Repeat([]supervisor.Info{{Status: "running"}}, int(c.n.Load()))
}
