package health

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// slowly sends a reply in pieces, and reports whether one of the writes failed.
func slowly(failed chan<- error, pieces ...string) func(net.Conn) {
	return func(conn net.Conn) {
		readRequest(conn)
		var first error
		for _, piece := range pieces {
			if _, err := io.WriteString(conn, piece); err != nil && first == nil {
				first = err
			}
			time.Sleep(50 * time.Millisecond)
		}
		failed <- first
	}
}

// A service that sends its reply in pieces, or late, meets no broken pipe, whatever the verdict is,
// and even if the caller waits for it no more.
func TestProbeBreaksNoPipe(t *testing.T) {
	t.Parallel()
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for about, c := range map[string]struct {
		ctx     context.Context
		status  string
		timeout time.Duration
	}{
		"healthy":   {t.Context(), "HTTP/1.0 200 OK\r\n", timeout},
		"not":       {t.Context(), "HTTP/1.0 503 No\r\n", timeout},
		"not HTTP":  {t.Context(), "nonsense\r\n", timeout},
		"cancelled": {cancelled, "HTTP/1.0 200 OK\r\n", timeout},
		"late":      {t.Context(), "", 20 * time.Millisecond},
	} {
		t.Run(about, func(t *testing.T) {
			t.Parallel()
			failed := make(chan error, 1)
			port := serve(t, slowly(failed, c.status, "Content-Type: text/plain\r\n", "\r\n", "one", "two", "three"))
			probe(c.ctx, port, "/", c.timeout)
			if err := <-failed; err != nil {
				t.Errorf("the service could not send its reply: %v", err)
			}
			if runtime.GOOS == "linux" && c.status != "" {
				poll(t, port, "/")
				if err := <-failed; err != nil {
					t.Errorf("the service could not send its reply to a probe that does not wait: %v", err)
				}
			}
		})
	}
}

// When a service has sent as much as its Content-Length says and does not hang up, the probe does.
func TestProbeEndsAConnectionThatIsKept(t *testing.T) {
	t.Parallel()
	ended := make(chan error, 1)
	port := serve(t, func(conn net.Conn) {
		readRequest(conn)
		io.WriteString(conn, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
		_, err := conn.Read(make([]byte, 1))
		ended <- err
	})
	want(t, probe(t.Context(), port, "/", timeout), "")
	if err := <-ended; err != io.EOF {
		t.Errorf("the service reads %v, not the end of the input", err)
	}
}

// A probe reads a bounded amount.
func TestProbeReadsABoundedAmount(t *testing.T) {
	t.Parallel()
	sent := make(chan int, 1)
	port := serve(t, func(conn net.Conn) {
		conn.(*net.TCPConn).SetWriteBuffer(4 << 10)
		n := 0
		for _, err := io.WriteString(conn, "HTTP/1.0 200 OK\r\n\r\n"); err == nil; n += 4 << 10 {
			_, err = conn.Write(make([]byte, 4<<10))
		}
		sent <- n
	})
	want(t, probe(t.Context(), port, "/", timeout), "")
	if n := <-sent; n > 16<<20 { // the kernel holds some megabytes
		t.Errorf("it let the service send %d bytes", n)
	}
}

// The service's side of a probe's connection does not stay in TIME_WAIT, whichever hangs up first.
func TestProbeLeavesNoTimeWait(t *testing.T) {
	t.Parallel()
	hungUp := make(chan struct{}, 1)
	for _, c := range []struct {
		answer string
		keeps  bool
	}{
		{"HTTP/1.0 200 OK\r\n\r\nok", false},
		{"HTTP/1.0 503 No\r\nContent-Length: 2\r\n\r\nno", false},
		{"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", true},
		{"", false},
	} {
		port := serve(t, func(conn net.Conn) {
			readRequest(conn)
			io.WriteString(conn, c.answer)
			if !c.keeps {
				conn.(*net.TCPConn).CloseWrite()
			}
			io.Copy(io.Discard, conn) // until the probe has hung up
			hungUp <- struct{}{}
		})
		probe(t.Context(), port, "/", timeout)
		<-hungUp
		wantNoTimeWait(t, fmt.Sprintf("after %q", c.answer), port)
	}
}

// A service that has hung up gets no end of the input either, as it would then keep the connection.
func TestNoEndOfInputAfterHangingUp(t *testing.T) {
	t.Parallel()
	port := serve(t, func(conn net.Conn) { readRequest(conn) })
	conn, err := net.Dial("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "GET / HTTP/1.0\r\n\r\n")
	io.Copy(io.Discard, conn) // until the service has hung up
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(abort)
	raw.Control(closeWrite)
	wantNoTimeWait(t, "after hanging up", port)
}

// wantNoTimeWait fails if a connection of the port is in TIME_WAIT.
func wantNoTimeWait(t *testing.T, about string, port int) {
	t.Helper()
	rows, err := os.ReadFile("/proc/self/net/tcp")
	if err != nil {
		t.Skipf("this system does not show its sockets: %v", err)
	}
	for row := range strings.Lines(string(rows)) {
		const timeWait = "06"
		if fields := strings.Fields(row); strings.HasSuffix(fields[1], fmt.Sprintf(":%04X", port)) && fields[3] == timeWait {
			t.Errorf("%s: %s", about, row)
		}
	}
}
