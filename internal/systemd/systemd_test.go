//go:build unix

package systemd

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"
)

func TestNotify(t *testing.T) {
	addrs := []string{filepath.Join(shortDir(t), "notify")}
	if runtime.GOOS == "linux" {
		addrs = append(addrs, fmt.Sprintf("@zr-systemd-test-%d", os.Getpid()))
	}
	for _, addr := range addrs {
		conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: addr, Net: "unixgram"})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		t.Setenv("NOTIFY_SOCKET", addr)
		if !Notified() {
			t.Errorf("NOTIFY_SOCKET=%s: Notified() = false", addr)
		}
		if err := Notify("READY=1", "STATUS=no services"); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 100)
		conn.SetReadDeadline(time.Now().Add(time.Minute))
		n, err := conn.Read(buf)
		if got, want := string(buf[:n]), "READY=1\nSTATUS=no services"; err != nil || got != want {
			t.Errorf("%s: the manager got %q, %v; want %q", addr, got, err, want)
		}
	}
}

// shortDir returns a temporary folder. The path of a socket in it may have 107 bytes.
func shortDir(t *testing.T) string {
	t.Helper()
	parent := os.TempDir()
	if len(parent) > 70 {
		parent = "/tmp"
	}
	dir, err := os.MkdirTemp(parent, "zr-")
	if err != nil {
		t.Skipf("no temporary folder with a short path: %v", err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func TestNotifyWithoutManager(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	if Notified() || Notify("READY=1") != nil {
		t.Error("Notify did something, or failed, without a manager")
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
			os.Unsetenv("WATCHDOG_PID") // t.Setenv restores it
		}
		got, err := Watchdog()
		if got != c.want || (err != nil) != c.fails {
			t.Errorf("WATCHDOG_USEC=%q WATCHDOG_PID=%q: %v, %v; want %v, an error: %v",
				c.usec, c.pid, got, err, c.want, c.fails)
		}
	}
}
