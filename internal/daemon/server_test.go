package daemon

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"zr/internal/supervisor"
)

func TestReplies(t *testing.T) {
	t.Parallel()
	kv := supervisor.Info{Name: "kv", Port: 9200, Status: "running"}
	for _, c := range []struct {
		about, line string
		services    *fakeServices
		reply, call string
	}{
		{"ping", `{"request":"ping"}`, &fakeServices{}, `{"ok":true}`, ""},
		{"status of none", `{"request":"status"}`, &fakeServices{}, `{"ok":true,"services":[]}`, "status"},
		{"status", `{"request":"status"}`, &fakeServices{infos: []supervisor.Info{kv}},
			`{"ok":true,"services":[{"name":"kv","port":9200,"status":"running"}]}`, "status"},
		{"start", `{"request":"start-service","name":"kv"}`, &fakeServices{port: 9200}, `{"ok":true,"port":9200}`, "start:kv"},
		{"failed start", `{"request":"start-service","name":"kv"}`, &fakeServices{err: errors.New("health check timeout")},
			`{"ok":false,"error":"health check timeout"}`, "start:kv"},
		{"start of nothing", `{"request":"start-service"}`, &fakeServices{}, `{"ok":false,"error":"missing service name"}`, ""},
		{"start of null", `{"request":"start-service","name":null}`, &fakeServices{}, `{"ok":false,"error":"missing service name"}`, ""},
		{"start of an empty name", `{"request":"start-service","name":""}`, &fakeServices{}, `{"ok":false,"error":"missing service name"}`, ""},
		{"stop", `{"request":"stop-service","name":"kv"}`, &fakeServices{}, `{"ok":true}`, "stop:kv"},
		{"stop of nothing", `{"request":"stop-service"}`, &fakeServices{}, `{"ok":true}`, "stop:"},
		{"failed stop", `{"request":"stop-service","name":"kv"}`, &fakeServices{err: errors.New("stuck")}, `{"ok":false,"error":"stuck"}`, "stop:kv"},
		{"unknown", `{"request":"<b>"}`, &fakeServices{}, `{"ok":false,"error":"unknown request: <b>"}`, ""},
		{"no request", `ping`, &fakeServices{}, `{"ok":false,"error":"invalid daemon request: not a JSON object"}`, ""},
		{"empty line", ``, &fakeServices{}, `{"ok":false,"error":"invalid daemon request: an empty line"}`, ""},
		{"shutdown", `{"request":"shutdown"}`, &fakeServices{}, `{"ok":true}`, "shutdown"},
		{"failed shutdown", `{"request":"shutdown"}`, &fakeServices{err: errors.New("stuck")}, `{"ok":false,"error":"stuck"}`, "shutdown"},
	} {
		t.Run(c.about, func(t *testing.T) {
			t.Parallel()
			want(t, c.line, serve(t, c.services, anybody, 8).ask(t, c.line+"\n"), c.reply+"\n")
			want(t, "the call", c.services.called(), c.call)
		})
	}
}

// A request may end at the end of the input.
func TestEndOfInput(t *testing.T) {
	t.Parallel()
	s := serve(t, &fakeServices{}, anybody, 8)
	for input, reply := range map[string]string{
		`{"request":"ping"}`: pong,
		`{"request":`:        "{\"ok\":false,\"error\":\"invalid daemon request: unexpected end of the line\"}\n",
	} {
		conn := s.dial(t)
		io.WriteString(conn, input)
		conn.CloseWrite()
		want(t, input, rest(t, conn), reply)
	}
}

func TestVerboseStatus(t *testing.T) {
	t.Parallel()
	now := time.Now()
	s := serve(t, &fakeServices{infos: []supervisor.Info{
		{Name: "a", Port: 1, Status: "running", PID: 42, StartedAt: now.Add(-time.Hour), Restarts: 2, Version: "1.0.0"},
		{Name: "b", Port: 2, Status: "starting", Failures: 1, Version: "2.0.0", LastError: "exit status 1", LastErrorAt: now.Add(-time.Hour), RetryAt: now.Add(-time.Second)},
	}}, anybody, 8)
	got := s.ask(t, `{"request":"status","verbose":true}`+"\n")
	for _, part := range []string{
		`{"ok":true,"services":[{"name":"a","port":1,"status":"running","pid":42,"uptime_s":36`, `,"restarts":2,"failures":0,"version":"1.0.0"},`,
		`{"name":"b","port":2,"status":"starting","restarts":0,"failures":1,"version":"2.0.0","last_error":"exit status 1, 36`, ` s ago","next_retry_s":0}]}`,
	} {
		if !strings.Contains(got, part) {
			t.Errorf("%s is not in %s", part, got)
		}
	}
	want(t, "without verbose", s.ask(t, `{"request":"status"}`+"\n"),
		`{"ok":true,"services":[{"name":"a","port":1,"status":"running"},{"name":"b","port":2,"status":"starting"}]}`+"\n")
}

// The time until the next restart is rounded up, so that 0 means now.
func TestNextRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for wait, want := range map[time.Duration]int{-time.Hour: 0, 0: 0, 1: 1, time.Second: 1, 1500 * time.Millisecond: 2} {
			d := details(supervisor.Info{RetryAt: time.Now().Add(wait)})
			if d.NextRetry == nil || *d.NextRetry != want {
				t.Errorf("%v: got %v, want %d s", wait, d.NextRetry, want)
			}
		}
	})
}

// A client that may not speak gets one reply, with or without a request, and is closed soon after.
// The request is not carried out. A client that only looks whether the port is open is not logged.
func TestRefusal(t *testing.T) {
	t.Parallel()
	for line, logged := range map[string]bool{pingLine: true, shutdownLine: true, "nonsense": true, "": false} {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			services := &fakeServices{}
			s := serve(t, services, func(net.Conn) (string, error) { return "", errors.New("permission denied: test") }, 8)
			conn := s.dial(t)
			io.WriteString(conn, line)
			want(t, "the reply", rest(t, conn), `{"ok":false,"error":"permission denied: test"}`+"\n")
			eventually(t, "the end of the connection", func() bool { return s.openConns() == 0 })
			s.end()
			want(t, "the calls", services.called(), "shutdown")
			if got := strings.Contains(s.log.String(), "daemon: connection error: permission denied: test\n"); got != logged {
				t.Errorf("logged is %v", got)
			}
		})
	}
}

// Refused clients share a few places of their own, and take none from an allowed client.
func TestRefusedTakeNoPlaces(t *testing.T) {
	t.Parallel()
	var allowed atomic.Bool
	s := serve(t, &fakeServices{}, func(net.Conn) (string, error) {
		if allowed.Load() {
			return "", nil
		}
		return "", errors.New("no")
	}, 4)
	for range 40 {
		io.WriteString(s.dial(t), "x") // a line without an end
	}
	want(t, "the last client", rest(t, s.dial(t)), `{"ok":false,"error":"no"}`+"\n")
	allowed.Store(true)
	var silent []*net.TCPConn
	for range 3 {
		silent = append(silent, s.dial(t))
	}
	s.wantPong(t, "an allowed client")
	for _, conn := range silent {
		io.WriteString(conn, pingLine)
		want(t, "a client that was silent", rest(t, conn), pong)
	}
}

// The user is looked up once, and before anything is read: a client that has hung up has no user.
func TestAllowIsAskedAtOnce(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	s := serve(t, &fakeServices{}, func(net.Conn) (string, error) { asked.Add(1); return "", nil }, 8)
	conn := s.dial(t)
	eventually(t, "the look-up of a client that sends nothing", func() bool { return asked.Load() == 1 })
	io.WriteString(conn, pingLine)
	want(t, "a ping", rest(t, conn), pong)
	if n := asked.Load(); n != 1 {
		t.Errorf("%d look-ups", n)
	}
}

// A client that sends more than a line gets its reply. The rest is not read as a request. The
// daemon reads on for a second, so a busy machine needs a short rest.
func TestLinger(t *testing.T) {
	t.Parallel()
	services := &fakeServices{}
	s := serve(t, services, anybody, 64)
	for _, c := range []struct{ about, input, reply string }{
		{"two requests", pingLine + shutdownLine, `{"ok":true}`},
		{"much more", pingLine + strings.Repeat(shutdownLine, 100_000/len(shutdownLine)), `{"ok":true}`},
		{"HTTP", "POST / HTTP/1.1\r\nHost: x\r\n\r\n" + shutdownLine, `{"ok":false,"error":"invalid daemon request: not a JSON object"}`},
		{"a long line", strings.Repeat("x", 100_000) + "\n" + shutdownLine, `{"ok":false,"error":"invalid daemon request: a line of over 64 KiB"}`},
	} {
		t.Run(c.about, func(t *testing.T) {
			conn := s.dial(t)
			go func() {
				io.WriteString(conn, c.input)
				conn.CloseWrite()
			}()
			want(t, c.about, rest(t, conn), c.reply+"\n")
		})
	}
	want(t, "the calls", services.called(), "")
}

// The reply ends before the request does. The connection is closed, even if the request never ends.
func TestLingerEnds(t *testing.T) {
	t.Parallel()
	s := serve(t, &fakeServices{}, anybody, 8)
	replied := false
	for try := 0; try < 5 && !replied; try++ { // a busy machine may close the connection first
		conn := s.dial(t)
		io.WriteString(conn, "nonsense\n")
		want(t, "the reply", rest(t, conn), `{"ok":false,"error":"invalid daemon request: not a JSON object"}`+"\n")
		replied = s.openConns() == 1
		eventually(t, "the end of the connection", func() bool { return s.openConns() == 0 })
	}
	if !replied {
		t.Error("the reply has no end while the request has none")
	}
}

// An error is cut to 1 KiB of UTF-8, in a reply and in a status.
func TestLongErrors(t *testing.T) {
	t.Parallel()
	long := errors.New("x" + strings.Repeat("é", 100_000))
	for about, s := range map[string]*serving{
		"a failed start": serve(t, &fakeServices{err: long}, anybody, 8),
		"a refusal":      serve(t, &fakeServices{}, func(net.Conn) (string, error) { return "", long }, 8),
	} {
		line := s.ask(t, `{"request":"start-service","name":"kv"}`+"\n")
		want(t, about, line, `{"ok":false,"error":"x`+strings.Repeat("é", (1<<10-4)/2)+"…\"}\n")
	}
	s := serve(t, &fakeServices{infos: []supervisor.Info{{Name: "kv", LastError: long.Error(), LastErrorAt: time.Now()}}}, anybody, 8)
	line := s.ask(t, `{"request":"status","verbose":true}`+"\n")
	if len(line) > 1<<10+200 || !strings.Contains(line, "ééé…, ") {
		t.Errorf("%d bytes: %s", len(line), line)
	}
}

// Ping works beside clients that take all places. It fails if the supervisor does not answer.
func TestPing(t *testing.T) {
	t.Parallel()
	services := &fakeServices{blocked: make(chan struct{})}
	s := serve(t, services, anybody, 2)
	s.dial(t)
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := s.Ping(short); err == nil {
		t.Error("no error from a daemon whose supervisor is stuck")
	}
	close(services.blocked)
	for range 100 {
		if err := s.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	s.wantPong(t, "a client")
	s.wantEnd(t)
	if err := s.Ping(t.Context()); err != nil {
		t.Errorf("after the end: %v", err)
	}
}

// The log says once who asked for the shutdown.
func TestShutdownIsLogged(t *testing.T) {
	t.Parallel()
	for user, logged := range map[string]string{
		"":          "daemon: shutdown requested\n",
		"user 1000": "daemon: shutdown requested by user 1000\n",
	} {
		s := serve(t, &fakeServices{}, func(net.Conn) (string, error) { return user, nil }, 8)
		want(t, "the reply", s.ask(t, shutdownLine), pong)
		s.end()
		want(t, "the log", s.log.String(), logged)
	}
}
