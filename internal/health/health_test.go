package health

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// serve runs a service that calls behave for each connection, then closes it. serve returns its
// port. The service ends with the test.
func serve(t *testing.T, behave func(net.Conn)) int {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				behave(conn)
			}()
		}
	}()
	return l.Addr().(*net.TCPAddr).Port
}

// answer reads the request and writes text.
func answer(text string) func(net.Conn) {
	return func(conn net.Conn) {
		readRequest(conn)
		io.WriteString(conn, text)
	}
}

func readRequest(conn net.Conn) string {
	var request strings.Builder
	for lines := bufio.NewScanner(conn); lines.Scan() && lines.Text() != ""; {
		request.WriteString(lines.Text() + "\n")
	}
	return request.String()
}

// hang holds the connection until the other side closes it.
func hang(conn net.Conn) { io.Copy(io.Discard, conn) }

// timeout is the default of health-timeout.
const timeout = 2 * time.Second

func probe(ctx context.Context, port int, path string, timeout time.Duration) error {
	return Start(port, path, timeout).Wait(ctx)
}

// poll probes without waiting, as a round does.
func poll(t *testing.T, port int, path string) error {
	t.Helper()
	for p, end := Start(port, path, timeout), time.Now().Add(10*time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		if known, verdict := p.Poll(); known {
			return verdict
		}
	}
	t.Error("no verdict after ten seconds")
	return nil
}

func TestProbeAnswers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ about, answer, want string }{
		{"200", "HTTP/1.0 200 OK\r\n\r\n", ""},
		{"HTTP/1.1", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", ""},
		{"no reason", "HTTP/1.1 200\r\n\r\n", ""},
		{"bare newline", "HTTP/1.0 200 OK\n\n", ""},
		{"status line without newline", "HTTP/1.0 200 OK", ""},
		{"code without newline", "HTTP/1.0 200", ""},
		{"other reason", "HTTP/1.0 200 Not Found\r\n\r\n", ""},
		{"long body", "HTTP/1.0 200 OK\r\n\r\n" + strings.Repeat("x", 1<<20), ""},
		{"404 Not 200", "HTTP/1.0 404 Not 200\r\n\r\n", "GET /health answered 404"},
		{"404 and 200 in the body", "HTTP/1.0 404 Not Found\r\n\r\nHTTP/1.0 200 OK\r\n", "GET /health answered 404"},
		{"500", "HTTP/1.1 500 Internal Server Error\r\n\r\n", "GET /health answered 500"},
		{"204", "HTTP/1.1 204 No Content\r\n\r\n", "GET /health answered 204"},
		{"redirect", "HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n", "GET /health answered 302"},
		{"interim answers", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", ""},
		{"2000", "HTTP/1.0 2000 OK\r\n\r\n", "the answer to GET /health is not HTTP"},
		{"20", "HTTP/1.0 20 OK\r\n\r\n", "the answer to GET /health is not HTTP"},
		{"not HTTP", "220 mail ready\r\n", "the answer to GET /health is not HTTP"},
		{"an empty line first", "\r\nHTTP/1.0 200 OK\r\n\r\n", "the answer to GET /health is not HTTP"},
		{"a newline and no more", "\n", "the answer to GET /health is not HTTP"},
		{"half a status line", "HTTP/1.0 20", "the answer to GET /health is not HTTP"},
		{"a line without end", "HTTP/1.0 " + strings.Repeat("2", 8<<10), "the answer to GET /health is not HTTP"},
		{"a good line without end", "HTTP/1.0 200 " + strings.Repeat("y", 8<<10), "the answer to GET /health is not HTTP"},
		{"closed without an answer", "", "GET /health got no answer: the connection was closed"},
	} {
		t.Run(c.about, func(t *testing.T) {
			t.Parallel()
			port := serve(t, answer(c.answer))
			want(t, probe(t.Context(), port, "/health", timeout), c.want)
			if runtime.GOOS == "linux" {
				want(t, poll(t, port, "/health"), c.want)
			}
		})
	}
}

func want(t *testing.T, err error, text string) {
	t.Helper()
	got := ""
	if err != nil {
		got = err.Error()
	}
	if got != text {
		t.Errorf("got %q, want %q", got, text)
	}
}

func TestProbeRequest(t *testing.T) {
	t.Parallel()
	request := make(chan string, 1)
	port := serve(t, func(conn net.Conn) {
		request <- readRequest(conn)
		io.WriteString(conn, "HTTP/1.0 200 OK\r\n\r\n")
	})
	want(t, probe(t.Context(), port, "/a?b=c", timeout), "")
	if got, w := <-request, fmt.Sprintf("GET /a?b=c HTTP/1.0\nHost: 127.0.0.1:%d\nConnection: close\n", port); got != w {
		t.Errorf("got %q, want %q", got, w)
	}
}

func TestProbeRefused(t *testing.T) {
	t.Parallel()
	client, err := net.Dial("tcp4", fmt.Sprintf("127.0.0.1:%d", serve(t, hang)))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	port := client.LocalAddr().(*net.TCPAddr).Port // no program can listen on the port of a connection
	want(t, probe(t.Context(), port, "/", timeout), "connection refused")
}

func TestProbeReset(t *testing.T) {
	t.Parallel()
	reset := func(conn net.Conn) { conn.(*net.TCPConn).SetLinger(0) }
	for about, behave := range map[string]func(net.Conn){
		"at once":           reset,
		"after the request": func(conn net.Conn) { readRequest(conn); reset(conn) },
	} {
		t.Run(about, func(t *testing.T) {
			t.Parallel()
			want(t, probe(t.Context(), serve(t, behave), "/", timeout), "GET / got no answer: the connection was reset")
		})
	}
}

// A service that answers and closes without reading the request resets the connection. Its answer
// counts.
func TestProbeUnreadRequest(t *testing.T) {
	t.Parallel()
	port := serve(t, func(conn net.Conn) {
		io.ReadFull(conn, make([]byte, 4))
		io.WriteString(conn, "HTTP/1.0 200 OK\r\n\r\n")
	})
	want(t, probe(t.Context(), port, "/"+strings.Repeat("x", 1000), timeout), "")
}

// misbehaviours keep a probe from its verdict until the timeout.
var misbehaviours = map[string]func(net.Conn){
	"hang": hang,
	"trickle": func(conn net.Conn) {
		for _, err := io.WriteString(conn, "HTTP/1.0 "); err == nil; _, err = io.WriteString(conn, "2") {
			time.Sleep(10 * time.Millisecond)
		}
	},
	"half a line": func(conn net.Conn) {
		io.WriteString(conn, "HTTP/1.0 200")
		hang(conn)
	},
}

func TestProbeDeadline(t *testing.T) {
	t.Parallel()
	for about, behave := range misbehaviours {
		t.Run(about, func(t *testing.T) {
			t.Parallel()
			const timeout = 300 * time.Millisecond
			began := time.Now()
			want(t, probe(t.Context(), serve(t, behave), "/", timeout), "no answer to GET / within 0.3 s")
			if took := time.Since(began); took < timeout {
				t.Errorf("it gave up after %v", took)
			}
		})
	}
}

func TestProbeEndless(t *testing.T) {
	t.Parallel()
	flood := func(start string) func(net.Conn) {
		return func(conn net.Conn) {
			for _, err := io.WriteString(conn, start); err == nil; {
				_, err = conn.Write(make([]byte, 64<<10))
			}
		}
	}
	want(t, probe(t.Context(), serve(t, flood("")), "/", timeout), "the answer to GET / is not HTTP")
	want(t, probe(t.Context(), serve(t, flood("HTTP/1.0 503 No\r\n")), "/", timeout), "GET / answered 503")
	want(t, probe(t.Context(), serve(t, flood("HTTP/1.0 200 OK\r\n\r\n")), "/", timeout), "")
}

func TestProbeCancelled(t *testing.T) {
	t.Parallel()
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := probe(cancelled, serve(t, answer("HTTP/1.0 200 OK\r\n\r\n")), "/", timeout); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled before: got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	port := serve(t, func(conn net.Conn) {
		readRequest(conn)
		cancel()
		hang(conn)
	})
	if err := probe(ctx, port, "/", timeout); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled while it waits: got %v", err)
	}
}

func TestExplainLocalShortage(t *testing.T) {
	t.Parallel()
	for _, errno := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EADDRNOTAVAIL} {
		err := (&Probe{}).judge(&net.OpError{Op: "dial", Err: errno})
		if !errors.Is(err, ErrNoVerdict) || !errors.Is(err, errno) {
			t.Errorf("%v: got %v", errno, err)
		}
	}
	if err := (&Probe{}).judge(&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}); errors.Is(err, ErrNoVerdict) {
		t.Errorf("a refusal is the service's: %v", err)
	}
}

// undeadlined is a connection that never replies. Its deadlines do nothing.
type undeadlined struct{ deadliner }

func (undeadlined) SetDeadline(time.Time) error { return nil }

// A daemon that is paused again and again still notices a service that hangs. One pause ends
// nothing.
func TestProbeEndsDespitePauses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &Probe{blocking: undeadlined{}, left: timeout}
		pauses := 0
		_, err := p.withDeadline(func([]byte) (int, error) {
			if pauses++; pauses > 1000 {
				return 0, io.EOF
			}
			time.Sleep(time.Minute)
			return 0, os.ErrDeadlineExceeded
		}, nil)
		if err != os.ErrDeadlineExceeded || pauses < 3 {
			t.Errorf("after %d pauses: %v", pauses, err)
		}
	})
}
