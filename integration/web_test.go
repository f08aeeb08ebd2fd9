//go:build linux

package integration

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// webRequests are requests of a browser, with line wherever a page chooses bytes.
var webRequests = map[string]func(addr, line string) string{
	"GET": func(addr, line string) string {
		return "GET /" + line + " HTTP/1.1\r\nHost: " + addr + "\r\nX-Line: a\r\n" + line + "\r\n\r\n" + line + "\r\n"
	},
	"GET, old": func(_, line string) string { return "GET /\n" + line + "\n" },
	"POST of text": func(addr, line string) string {
		return fmt.Sprintf("POST / HTTP/1.1\r\nHost: %s\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s\n", addr, len(line)+1, line)
	},
	"POST of a form": func(addr, line string) string {
		body := "--x\r\nContent-Disposition: form-data; name=\"a\r\n" + line + "\r\n\"\r\n\r\n" + line + "\r\n--x--\r\n"
		return fmt.Sprintf("POST / HTTP/1.1\r\nHost: %s\r\nContent-Type: multipart/form-data; boundary=x\r\nContent-Length: %d\r\n\r\n%s", addr, len(body), body)
	},
	"POST in chunks": func(addr, line string) string {
		return fmt.Sprintf("POST / HTTP/1.1\r\nHost: %s\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\n\r\n0\r\n\r\n", addr, len(line)+1, line)
	},
	"HTTP/2": func(_, line string) string { return "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + line + "\n" },
	"two lines at once": func(_, line string) string {
		return "\n" + line + "\n"
	},
}

// A webTarget is a daemon with a service that runs and another that does not.
type webTarget struct {
	*Daemon
	port  int
	lines []string
}

func newWebTarget(t *testing.T) *webTarget {
	h := newHome(t)
	w := &webTarget{port: h.Install("kv", Behaviour{}), lines: []string{
		`{"request":"shutdown"}`, `{"request":"stop-service","name":"kv"}`, `{"request":"start-service","name":"web"}`}}
	h.Install("web", Behaviour{})
	w.Daemon = startDaemon(t, h)
	w.MustStart("kv", w.port)
	return w
}

// After a first line that is not a request, the daemon does not read the next ones.
func TestTheWebCannotSpeak(t *testing.T) {
	t.Parallel()
	w := newWebTarget(t)
	for name, request := range webRequests {
		for _, line := range w.lines {
			answer, err := ask(w.Addr, request(w.Addr, line))
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if !strings.HasPrefix(answer, `{"ok":false,"error":"invalid daemon request: `) || strings.Count(answer, "\n") != 1 {
				t.Errorf("%s with %s: %q", name, line, answer)
			}
		}
	}
	w.checkOnly(t, "kv", w.port)
}

// The same for a real client of HTTP and of TLS, and for requests in pieces.
func TestRealWebClients(t *testing.T) {
	t.Parallel()
	w := newWebTarget(t)
	for _, line := range w.lines {
		client := &http.Client{Timeout: limit}
		if _, err := client.Post("http://"+w.Addr, "text/plain", strings.NewReader(line+"\n")); err == nil {
			t.Errorf("a POST of %s got an HTTP answer", line)
		}
		conn, err := net.Dial("tcp", w.Addr)
		if err != nil {
			t.Fatal(err)
		}
		conn.SetDeadline(time.Now().Add(limit))
		hello := tls.Client(conn, &tls.Config{NextProtos: []string{"\n" + line + "\n"}, ServerName: "localhost"})
		if err := hello.Handshake(); err == nil {
			t.Error("a TLS handshake succeeded")
		}
		conn.Close()
		w.inPieces(t, "POST / HTTP/1.1\r\n", "Host: "+w.Addr+"\r\n\r\n", line+"\n")
	}
	w.checkOnly(t, "kv", w.port)
}

// inPieces sends the first line, waits for its answer, and sends the other pieces.
func (w *webTarget) inPieces(t *testing.T, pieces ...string) {
	t.Helper()
	conn, err := net.Dial("tcp", w.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(limit))
	io.WriteString(conn, pieces[0])
	answer := make([]byte, 1024)
	n, err := conn.Read(answer)
	if err != nil || !strings.HasPrefix(string(answer[:n]), `{"ok":false,`) {
		t.Errorf("%q: %q, %v", pieces[0], answer[:n], err)
	}
	for _, piece := range pieces[1:] {
		io.WriteString(conn, piece)
	}
	conn.(*net.TCPConn).CloseWrite()
	if rest, _ := io.ReadAll(conn); len(rest) > 0 {
		t.Errorf("a second answer: %q", rest)
	}
}
