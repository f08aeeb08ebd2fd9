//go:build unix

package systemd

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain is also the process to which the tests hand their sockets: it says what
// Listener made of them. LISTEN_PID=self stands for its own number, which nobody knows before it runs.
func TestMain(m *testing.M) {
	if os.Getenv("TEST_LISTENER") == "" {
		os.Exit(m.Run())
	}
	if os.Getenv("LISTEN_PID") == "self" {
		os.Setenv("LISTEN_PID", strconv.Itoa(os.Getpid()))
	}
	if os.Getenv("LISTEN_PID") == "absent" {
		os.Unsetenv("LISTEN_PID")
	}
	l, err := Listener()
	if err != nil {
		fmt.Println("error:", err)
		return
	}
	if l == nil {
		fmt.Println("none")
		return
	}
	_, _, left := syscall.Syscall(syscall.SYS_FCNTL, firstFD, syscall.F_GETFD, 0)
	l.SetDeadline(time.Now().Add(10 * time.Second)) // somebody has connected before
	conn, err := l.Accept()
	if err != nil {
		fmt.Println("accept:", err)
		return
	}
	fmt.Fprintf(conn, "served on %s, descriptor taken away: %v\n", l.Addr(), left == syscall.EBADF)
	conn.Close()
}

// hand runs the test binary with files from descriptor 3 on.
func hand(t *testing.T, pid, fds string, files ...*os.File) string {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "TEST_LISTENER=1", "LISTEN_FDS="+fds, "LISTEN_PID="+pid,
		"GORACE=atexit_sleep_ms=0") // the race detector would wait a second for nothing
	cmd.ExtraFiles = files
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}

type filer interface{ File() (*os.File, error) }

func fileOf(t *testing.T, v any, err error) *os.File {
	t.Helper()
	if err != nil {
		t.Skipf("this machine has no such socket: %v", err)
	}
	f, err := v.(filer).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func listenerFile(t *testing.T, network, addr string) *os.File {
	t.Helper()
	l, err := net.Listen(network, addr)
	if err == nil {
		t.Cleanup(func() { l.Close() })
	}
	return fileOf(t, l, err)
}

func TestListener(t *testing.T) {
	t.Parallel()
	for _, addr := range []string{"127.0.0.1:0", "[::1]:0"} {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			t.Logf("this machine has no %s: %v", addr, err)
			continue
		}
		defer l.Close()
		conn, err := net.Dial("tcp", l.Addr().String()) // before anybody runs who could accept it
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if out := hand(t, "self", "1", fileOf(t, l, nil)); out != "" {
			t.Errorf("%s: %s", addr, out)
		}
		buf := make([]byte, 200)
		n, _ := conn.Read(buf)
		if got, want := string(buf[:n]), fmt.Sprintf("served on %s, descriptor taken away: true\n", l.Addr()); got != want {
			t.Errorf("the client got %q, want %q", got, want)
		}
	}
}

func TestListenerNone(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ pid, fds string }{{"self", ""}, {"self", "0"}, {"1", "1"}, {"", "1"}, {"absent", "1"}, {"1", "junk"}} {
		if out := hand(t, c.pid, c.fds); out != "none\n" {
			t.Errorf("LISTEN_PID=%s LISTEN_FDS=%s: %s", c.pid, c.fds, out)
		}
	}
}

func TestListenerRefused(t *testing.T) {
	t.Parallel()
	tcp := func(t *testing.T) *os.File { return listenerFile(t, "tcp", "127.0.0.1:0") }
	for _, c := range []struct {
		name, fds string
		file      func(t *testing.T) *os.File
		want      string
	}{
		{"not a number", "one", tcp, "LISTEN_FDS=one is no number of sockets"},
		{"negative", "-1", tcp, "LISTEN_FDS=-1 is no number of sockets"},
		{"several", "2", tcp, "exactly one is served"},
		{"every address", "1", func(t *testing.T) *os.File { return listenerFile(t, "tcp4", ":0") }, "is not a loopback address"},
		{"unix", "1", func(t *testing.T) *os.File { return listenerFile(t, "unix", shortDir(t)+"/socket") }, "it is no TCP socket but a unix one"},
		{"udp", "1", func(t *testing.T) *os.File {
			conn, err := net.ListenPacket("udp", "127.0.0.1:0")
			return fileOf(t, conn, err)
		}, "it is no listening TCP socket"},
		{"no socket", "1", func(t *testing.T) *os.File {
			f, err := os.Open(os.DevNull)
			if err != nil {
				t.Fatal(err)
			}
			return f
		}, "it is no listening TCP socket"},
		{"a connection", "1", func(t *testing.T) *os.File {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { l.Close() })
			conn, err := net.Dial("tcp", l.Addr().String())
			return fileOf(t, conn, err)
		}, "it does not listen; a unit with Accept=yes hands over connections"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if out := hand(t, "self", c.fds, c.file(t)); !strings.HasPrefix(out, "error: ") || !strings.Contains(out, c.want) {
				t.Errorf("got %q, want an error with %q", out, c.want)
			}
		})
	}
	t.Run("no descriptor", func(t *testing.T) {
		t.Parallel()
		if out := hand(t, "self", "1"); !strings.HasPrefix(out, "error: ") {
			t.Errorf("got %q, want an error", out)
		}
	})
}
