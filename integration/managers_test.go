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
	said []string // the assignments, in their order
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

// Said returns what zrd has said so far, less the watchdog's messages.
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

// READY=1 comes when the first attempt of every eager service has ended, not before. What has failed
// is tried again.
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
	h.Behave("slow", Behaviour{})
	m.Wait(t, "READY=1")
	h.Behave("failing", Behaviour{})
	m.Wait(t, "STATUS=3 services: 3 running")
	d.Stop("kv")
	m.Wait(t, "STATUS=2 services: 2 running")
	if strings.Contains(d.Log.String(), "cannot notify") {
		t.Error("a message was lost")
	}
}

// The end is announced when it begins, however it is asked for.
func TestNotifyStopping(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(d *Daemon){
		"signal":  func(d *Daemon) { d.Signal(syscall.SIGTERM) },
		"request": func(d *Daemon) { go ask(d.Addr, `{"request":"shutdown"}`+"\n") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, m := newHome(t), newManager(t)
			port := h.Install("kv", Behaviour{IgnoreTerm: true})
			d := m.Run(t, h)
			m.Wait(t, "READY=1")
			d.MustStart("kv", port)
			end(d)
			m.Wait(t, "STOPPING=1")
			if pid := h.Last("kv", "start"); !alive(pid) {
				t.Error("STOPPING=1 came after the last service had ended")
			}
			d.Signal(syscall.SIGTERM)
			d.Signal(syscall.SIGTERM) // at once
			d.WaitExit(0)
			said := m.Said()
			if n := len(slices.DeleteFunc(said, func(s string) bool { return s != "STOPPING=1" })); n != 1 {
				t.Errorf("STOPPING=1 was said %d times", n)
			}
		})
	}
}

// An end during the eager starts is an end: the daemon was never ready.
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

// A status is said once, however often it is counted; the watchdog of another process
// is not served, and no service hears of the manager.
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

func TestServicesDoNotHearOfTheManager(t *testing.T) {
	t.Parallel()
	h, m := newHome(t), newManager(t)
	port := h.Install("kv", Behaviour{})
	d := m.Run(t, h, "WATCHDOG_USEC=60000000", "LISTEN_PID=1", "LISTEN_FDS=1", "LISTEN_FDNAMES=x", "LISTEN_PIDFDID=1", "KEPT=1")
	d.MustStart("kv", port)
	env := environment(t, h.Last("kv", "start"))
	if !strings.Contains(env, "\x00KEPT=1\x00") {
		t.Error("what is no business of the manager's is to be passed on")
	}
	for _, name := range []string{"NOTIFY_SOCKET", "WATCHDOG_", "LISTEN_"} {
		if strings.Contains(env, "\x00"+name) {
			t.Errorf("the service was passed %s…", name)
		}
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

// A daemon that does not run says nothing; once it runs again, it does.
func TestNotifyWatchdog(t *testing.T) {
	t.Parallel()
	h, m := newHome(t), newManager(t)
	d := m.Run(t, h, "WATCHDOG_USEC=200000")
	eventually(t, "three WATCHDOG=1", func() bool { return m.Watchdogs() >= 3 })
	d.Signal(syscall.SIGSTOP)
	eventually(t, "the daemon to stop", func() bool {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", d.Pid()))
		return err == nil && strings.Contains(string(stat), ") T ")
	})
	stopped := m.Watchdogs() + 4 // some may be in the socket still; ten would follow
	for end := time.Now().Add(time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if n := m.Watchdogs(); n > stopped {
			t.Fatalf("%d WATCHDOG=1 of a daemon that was stopped after %d", n, stopped)
		}
	}
	d.Signal(syscall.SIGCONT)
	eventually(t, "WATCHDOG=1 again", func() bool { return m.Watchdogs() > stopped })
}
