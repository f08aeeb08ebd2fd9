//go:build unix

package systemd

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

func listenUnix(t *testing.T, name string) *net.UnixConn {
	t.Helper()
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func testNotify(t *testing.T, name string) {
	conn := listenUnix(t, name)
	t.Setenv("NOTIFY_SOCKET", name)
	if !Notified() {
		t.Error("Notified() = false with a NOTIFY_SOCKET")
	}
	if err := Notify("READY=1", "STATUS=no services"); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 100)
	conn.SetReadDeadline(time.Now().Add(time.Minute))
	n, err := conn.Read(buf)
	if got, want := string(buf[:n]), "READY=1\nSTATUS=no services"; err != nil || got != want {
		t.Errorf("the manager got %q, %v; want %q", got, err, want)
	}
}

func TestNotifyPath(t *testing.T) { testNotify(t, filepath.Join(shortDir(t), "notify")) }

// shortDir returns a temporary folder whose path leaves room for the name of a socket, whose path may have 107 bytes.
func shortDir(t *testing.T) string {
	t.Helper()
	parent := os.TempDir()
	if len(parent) > 70 {
		parent = "/tmp"
	}
	dir, err := os.MkdirTemp(parent, "zr-")
	if err != nil {
		t.Skipf("no temporary folder with a path that is short enough: %v", err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func TestNotifyNobody(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	if Notified() || Notify("READY=1") != nil {
		t.Error("without a manager there must be nothing to do and no error")
	}
}

func TestNotifyCannot(t *testing.T) {
	for _, addr := range []string{filepath.Join(t.TempDir(), "nobody"), "vsock:2:1234", "relative"} {
		t.Setenv("NOTIFY_SOCKET", addr)
		if err := Notify("READY=1"); err == nil {
			t.Errorf("NOTIFY_SOCKET=%s: no error", addr)
		}
	}
}

func TestWatchdog(t *testing.T) {
	self, other := strconv.Itoa(os.Getpid()), strconv.Itoa(os.Getppid())
	for _, c := range []struct {
		usec, pid string
		want      time.Duration
		fails     bool
	}{
		{"", self, 0, false},
		{"30000000", "", 30 * time.Second, false},
		{"30000000", self, 30 * time.Second, false},
		{"30000000", other, 0, false},
		{"soon", other, 0, false},
		{"soon", self, 0, true},
		{"0", self, 0, true},
		{"-1", self, 0, true},
		{"9223372036854775807", self, 0, true},
	} {
		t.Setenv("WATCHDOG_USEC", c.usec)
		t.Setenv("WATCHDOG_PID", c.pid)
		if c.pid == "" {
			os.Unsetenv("WATCHDOG_PID") // t.Setenv brings back what was there
		}
		got, err := Watchdog()
		if got != c.want || (err != nil) != c.fails {
			t.Errorf("WATCHDOG_USEC=%q WATCHDOG_PID=%q: %v, %v; want %v, an error: %v", c.usec, c.pid, got, err, c.want, c.fails)
		}
	}
}
