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

// TestMain is also the process that gets the sockets of the tests, and prints what Listener
// returns. LISTEN_PID=self stands for its own number, which nobody knows before it runs.
func TestMain(m *testing.M) {
	if os.Getenv("TEST_LISTENER") == "" {
		os.Exit(m.Run())
	}
	switch os.Getenv("LISTEN_PID") {
	case "self":
		os.Setenv("LISTEN_PID", strconv.Itoa(os.Getpid()))
	case "absent":
		os.Unsetenv("LISTEN_PID")
	}
	l, err := Listener()
	switch {
	case err != nil:
		fmt.Println("error:", err)
		return
	case l == nil:
		fmt.Println("none")
		return
	}
	_, _, errno := syscall.Syscall(syscall.SYS_FCNTL, firstFD, syscall.F_GETFD, 0)
	l.SetDeadline(time.Now().Add(10 * time.Second)) // the client has connected before
	conn, err := l.Accept()
	if err != nil {
		fmt.Println("accept:", err)
		return
	}
	fmt.Fprintf(conn, "served on %s, descriptor 3 closed: %v\n", l.Addr(), errno == syscall.EBADF)
	conn.Close()
}

// hand runs the test binary with files from descriptor 3 on.
func hand(t *testing.T, pid, fds string, files ...*os.File) string {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "TEST_LISTENER=1", "LISTEN_FDS="+fds, "LISTEN_PID="+pid,
		"GORACE=atexit_sleep_ms=0") // the race detector waits a second by default
	cmd.ExtraFiles = files
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}

// fileOf returns the descriptor of a socket, or skips the test if err is not nil.
func fileOf(t *testing.T, v any, err error) *os.File {
	t.Helper()
	if err != nil {
		t.Skipf("this machine has no such socket: %v", err)
	}
	f, err := v.(interface{ File() (*os.File, error) }).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
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
		conn, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if out := hand(t, "self", "1", fileOf(t, l, nil)); out != "" {
			t.Errorf("%s: %s", addr, out)
		}
		buf := make([]byte, 200)
		n, _ := conn.Read(buf)
		if got, want := string(buf[:n]), fmt.Sprintf("served on %s, descriptor 3 closed: true\n", l.Addr()); got != want {
			t.Errorf("the client got %q, want %q", got, want)
		}
	}
}

func TestListenerNone(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ pid, fds string }{
		{"self", ""}, {"self", "0"}, {"1", "1"}, {"", "1"}, {"absent", "1"}, {"1", "junk"},
	} {
		if out := hand(t, c.pid, c.fds); out != "none\n" {
			t.Errorf("LISTEN_PID=%s LISTEN_FDS=%s: %s", c.pid, c.fds, out)
		}
	}
}

func TestListenerRefused(t *testing.T) {
	t.Parallel()
	listening := func(network, addr string) *os.File {
		l, err := net.Listen(network, addr)
		if err == nil {
			t.Cleanup(func() { l.Close() })
		}
		return fileOf(t, l, err)
	}
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	client, clientErr := net.Dial("tcp", tcp.Addr().String())
	udp, udpErr := net.ListenPacket("udp", "127.0.0.1:0")
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for _, c := range []struct {
		about, fds string
		file       *os.File
		want       string
	}{
		{"not a number", "one", fileOf(t, tcp, nil), "LISTEN_FDS=one is no number of sockets"},
		{"negative", "-1", fileOf(t, tcp, nil), "LISTEN_FDS=-1 is no number of sockets"},
		{"several", "2", fileOf(t, tcp, nil), "exactly one is served"},
		{"every address", "1", listening("tcp4", ":0"), "is not a loopback address"},
		{"unix", "1", listening("unix", shortDir(t)+"/socket"), "it is no TCP socket but a unix one"},
		{"udp", "1", fileOf(t, udp, udpErr), "it is no listening TCP socket"},
		{"no socket", "1", null, "it is no listening TCP socket"},
		{"a connection", "1", fileOf(t, client, clientErr), "it does not listen; a unit with Accept=yes hands over connections"},
		{"no descriptor", "1", nil, ""},
	} {
		var files []*os.File
		if c.file != nil {
			files = append(files, c.file)
		}
		if out := hand(t, "self", c.fds, files...); !strings.HasPrefix(out, "error: ") || !strings.Contains(out, c.want) {
			t.Errorf("%s: got %q, want an error with %q", c.about, out, c.want)
		}
	}
}
