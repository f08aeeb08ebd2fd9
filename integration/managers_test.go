//go:build linux

package integration

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A Manager is the notify socket of a service manager.
type Manager struct {
	name string
	mu   sync.Mutex
	said []string // the assignments, in order
}

func newManager(t *testing.T) *Manager {
	t.Helper()
	m := &Manager{name: filepath.Join(plainDir(t), "notify")}
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: m.name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		for buf := make([]byte, 4096); ; {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			m.mu.Lock()
			m.said = append(m.said, strings.Split(string(buf[:n]), "\n")...)
			m.mu.Unlock()
		}
	}()
	return m
}

// Run starts zrd for this manager.
func (m *Manager) Run(t *testing.T, h *Home, env ...string) *Daemon {
	t.Helper()
	cmd := daemonCommand(h)
	cmd.Env = append(append(os.Environ(), "NOTIFY_SOCKET="+m.name), env...)
	return startCommand(t, h, cmd)
}

// Said returns the assignments that zrd has sent, without those for the watchdog.
func (m *Manager) Said() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(m.said), func(s string) bool { return s == "WATCHDOG=1" })
}

func (m *Manager) Watchdogs() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for _, s := range m.said {
		if s == "WATCHDOG=1" {
			n++
		}
	}
	return n
}

func (m *Manager) Wait(t *testing.T, assignment string) {
	t.Helper()
	eventually(t, assignment, func() bool { return slices.Contains(m.Said(), assignment) })
}

// READY=1 comes when the first attempt of each eager service has ended, not before. A service that
// has failed is tried again.
func TestNotifyReady(t *testing.T) {
	t.Parallel()
	h, m, one := newHome(t), newManager(t), 1
	h.Install("kv", Behaviour{}, eager)
	h.Install("failing", Behaviour{ExitAtOnce: &one}, eager)
	h.Install("slow", Behaviour{Status: "503 Service Unavailable"}, eager)
	d := m.Run(t, h)
	m.Wait(t, "STATUS=3 services: 1 running, 2 starting")
	if slices.Contains(m.Said(), "READY=1") {
		t.Errorf("ready before the last eager service: %q", m.Said())
	}
	h.Behave("failing", Behaviour{}) // before it is given up
	h.Behave("slow", Behaviour{})
	m.Wait(t, "READY=1")
	m.Wait(t, "STATUS=3 services: 3 running")
	d.Stop("kv")
	m.Wait(t, "STATUS=2 services: 2 running")
	if strings.Contains(d.Log.String(), "cannot notify") {
		t.Error("a message was lost")
	}
}

// STOPPING=1 comes when the end begins, whether by a signal or a request.
func TestNotifyStopping(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(d *Daemon){
		"signal":  func(d *Daemon) { d.Signal(syscall.SIGTERM) },
		"request": func(d *Daemon) { go ask(d.Addr, `{"request":"shutdown"}`+"\n") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, m := newHome(t), newManager(t)
			port := h.Install("kv", Behaviour{IgnoreTerm: true}, `stop-timeout = "1m"`)
			d := m.Run(t, h)
			m.Wait(t, "READY=1")
			d.MustStart("kv", port)
			end(d)
			m.Wait(t, "STOPPING=1")
			if pid := h.Last("kv", "start"); !alive(pid) {
				t.Error("STOPPING=1 came after the last service had ended")
			}
			h.Kill("kv")
			d.WaitExit(0)
			said := m.Said()
			if n := len(slices.DeleteFunc(said, func(s string) bool { return s != "STOPPING=1" })); n != 1 {
				t.Errorf("STOPPING=1 was said %d times", n)
			}
		})
	}
}

// A daemon that ends during the eager starts has never been ready.
func TestNotifyStoppingBeforeReady(t *testing.T) {
	t.Parallel()
	h, m := newHome(t), newManager(t)
	h.Install("slow", Behaviour{Status: "503 Service Unavailable"}, eager)
	d := m.Run(t, h)
	m.Wait(t, "STATUS=1 service: 1 starting")
	d.Signal(syscall.SIGTERM)
	d.WaitExit(0)
	m.Wait(t, "STOPPING=1")
	if slices.Contains(m.Said(), "READY=1") {
		t.Errorf("ready after the end: %q", m.Said())
	}
}

// A status is sent once until it changes, and a watchdog that belongs to another process gets
// nothing.
func TestNotifyQuiet(t *testing.T) {
	t.Parallel()
	h, m := newHome(t), newManager(t)
	port := h.Install("kv", Behaviour{})
	d := m.Run(t, h, "WATCHDOG_USEC=20000", "WATCHDOG_PID=1")
	m.Wait(t, "READY=1")
	m.Wait(t, "STATUS=no services")
	d.MustStart("kv", port)
	m.Wait(t, "STATUS=1 service: 1 running")
	d.Stop("kv")
	eventually(t, "STATUS=no services again", func() bool {
		said := m.Said()
		return said[len(said)-1] == "STATUS=no services"
	})
	for i, s := range m.Said()[1:] {
		if s == m.Said()[i] {
			t.Errorf("%s was said twice in a row", s)
		}
	}
	if n := m.Watchdogs(); n > 0 {
		t.Errorf("%d messages for the watchdog of another process", n)
	}
}

func environment(t *testing.T, pid int) string {
	t.Helper()
	env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		t.Fatal(err)
	}
	return "\x00" + string(env)
}

// A daemon that is stopped does not send WATCHDOG=1. When it continues, it does again.
func TestNotifyWatchdog(t *testing.T) {
	t.Parallel()
	h, m := newHome(t), newManager(t)
	d := m.Run(t, h, "WATCHDOG_USEC=200000")
	eventually(t, "three WATCHDOG=1", func() bool { return m.Watchdogs() >= 3 })
	resume := d.pause()
	var last int
	eventually(t, "a second without WATCHDOG=1", func() bool {
		last = m.Watchdogs()
		time.Sleep(time.Second)
		return m.Watchdogs() == last
	})
	resume()
	eventually(t, "WATCHDOG=1 again", func() bool { return m.Watchdogs() > last })
}
