package daemon

import (
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
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

// What ends by end of input is a request too; only then nothing is said to a silent client.
func TestEndOfInput(t *testing.T) {
	t.Parallel()
	s := serve(t, &fakeServices{}, anybody, 8)
	for input, reply := range map[string]string{
		`{"request":"ping"}`: "{\"ok\":true}\n",
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

// Who may not speak gets one reply to whatever it asks, and nothing is done.
func TestRefusal(t *testing.T) {
	t.Parallel()
	services := &fakeServices{}
	s := serve(t, services, func(net.Conn) error { return errors.New("permission denied: test") }, 8)
	for _, line := range []string{`{"request":"ping"}`, `{"request":"shutdown"}`, "nonsense", ""} {
		want(t, line, s.ask(t, line+"\n"), `{"ok":false,"error":"permission denied: test"}`+"\n")
	}
	want(t, "the calls", services.called(), "")
}

// Who asks is looked up once, and before a word of theirs is read: who has gone by then has no user.
func TestAllowIsAskedAtOnce(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	s := serve(t, &fakeServices{}, func(net.Conn) error { asked.Add(1); return nil }, 8)
	conn := s.dial(t)
	eventually(t, "the look at a client that says nothing", func() bool { return asked.Load() == 1 })
	io.WriteString(conn, `{"request":"ping"}`+"\n")
	want(t, "a ping", rest(t, conn), `{"ok":true}`+"\n")
	if n := asked.Load(); n != 1 {
		t.Errorf("%d looks", n)
	}
}

// Who only looks whether the port is open is refused, but nothing to log.
func TestRefusalOfALook(t *testing.T) {
	t.Parallel()
	s := serve(t, &fakeServices{}, func(net.Conn) error { return errors.New("no") }, 8)
	for _, c := range []struct {
		line   string
		logged bool
	}{{"", false}, {"x", true}} {
		want(t, c.line, s.ask(t, c.line+"\n"), `{"ok":false,"error":"no"}`+"\n")
		if logged := s.complained.Load() != 0; logged != c.logged {
			t.Errorf("%q: logged is %v", c.line, logged)
		}
	}
}

// A client that sends more than a line still gets its reply, and the rest is
// not read as a request.
func TestLinger(t *testing.T) {
	t.Parallel()
	services := &fakeServices{}
	s := serve(t, services, anybody, 64)
	shutdown := `{"request":"shutdown"}` + "\n"
	for _, c := range []struct{ about, input, reply string }{
		{"two requests", `{"request":"ping"}` + "\n" + shutdown, `{"ok":true}`},
		{"a megabyte", `{"request":"ping"}` + "\n" + strings.Repeat(shutdown, 1<<20/len(shutdown)), `{"ok":true}`},
		{"HTTP", "POST / HTTP/1.1\r\nHost: x\r\n\r\n" + shutdown, `{"ok":false,"error":"invalid daemon request: not a JSON object"}`},
		{"a line of a megabyte", strings.Repeat("x", 1<<20) + "\n" + shutdown, `{"ok":false,"error":"invalid daemon request: a line of over 64 KiB"}`},
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

// A connection that the client never ends is closed all the same.
func TestLingerEnds(t *testing.T) {
	t.Parallel()
	s := serve(t, &fakeServices{}, anybody, 8)
	conn := s.dial(t)
	io.WriteString(conn, "nonsense\n")
	want(t, "the reply", rest(t, conn), `{"ok":false,"error":"invalid daemon request: not a JSON object"}`+"\n")
	eventually(t, "the connection to be closed", func() bool { return s.openConns() == 0 })
}

// The end of the reply does not wait for the end of the request.
func TestReplyEndsBeforeTheRequest(t *testing.T) {
	t.Parallel()
	s := serve(t, &fakeServices{}, anybody, 8)
	for range 5 { // once is enough: a busy machine may take a second for anything
		conn := s.dial(t)
		io.WriteString(conn, "nonsense\n")
		conn.Read(make([]byte, 1))
		begin := time.Now()
		rest(t, conn)
		if time.Since(begin) < lingerMax/2 {
			return
		}
	}
	t.Error("the reply has no end while the request has none")
}

func (s *serving) openConns() int {
	s.conns.mu.Lock()
	defer s.conns.mu.Unlock()
	return len(s.conns.open)
}

// However many requests take their time, the next one is served.
func TestSlowRequestsHoldUpNobody(t *testing.T) {
	t.Parallel()
	services := &fakeServices{port: 9200, blocked: make(chan struct{})}
	s := serve(t, services, anybody, 64)
	var slow []*net.TCPConn
	for range 4 * standing {
		slow = append(slow, s.dial(t))
		io.WriteString(slow[len(slow)-1], `{"request":"start-service","name":"kv"}`+"\n")
	}
	eventually(t, "the calls", func() bool { return strings.Count(services.called(), "start:kv") == len(slow) })
	want(t, "a ping", s.ask(t, `{"request":"ping"}`+"\n"), "{\"ok\":true}\n")
	close(services.blocked)
	for _, conn := range slow {
		want(t, "a slow one", rest(t, conn), `{"ok":true,"port":9200}`+"\n")
	}
}

// When there is no more room, the oldest silent connection gives way, and never
// one that waits for its reply.
func TestRoom(t *testing.T) {
	t.Parallel()
	services := &fakeServices{port: 9200, blocked: make(chan struct{})}
	s := serve(t, services, anybody, 16)
	waiting := s.dial(t)
	io.WriteString(waiting, `{"request":"start-service","name":"kv"}`+"\n")
	eventually(t, "the call", func() bool { return services.called() == "start:kv" })
	var silent []*net.TCPConn
	for i := range 30 {
		silent = append(silent, s.dial(t))
		eventually(t, "the next to be accepted", func() bool { return s.openConns() == min(2+i, 15) })
	}
	for range 20 {
		want(t, "a good client", s.ask(t, `{"request":"ping"}`+"\n"), "{\"ok\":true}\n")
	}
	want(t, "the oldest", rest(t, silent[0]), "")
	close(services.blocked)
	want(t, "the one that waits", rest(t, waiting), `{"ok":true,"port":9200}`+"\n")
}

// A connection gives way even if its handler has not begun yet.
func TestRoomForTwo(t *testing.T) {
	t.Parallel()
	s := serve(t, &fakeServices{}, anybody, 2)
	for range 200 {
		s.dial(t)
	}
	want(t, "a good client", s.ask(t, `{"request":"ping"}`+"\n"), "{\"ok\":true}\n")
}

// A retreat ends when everybody has gone.
func TestRetreatEnds(t *testing.T) {
	t.Parallel()
	s := serve(t, &fakeServices{}, anybody, 16)
	limit := func() int {
		s.conns.mu.Lock()
		defer s.conns.mu.Unlock()
		return s.conns.max
	}
	s.conns.retreat()
	if n := limit(); n != 2 {
		t.Errorf("room for %d, want 2: one that is served and one that is accepted", n)
	}
	want(t, "a good client", s.ask(t, `{"request":"ping"}`+"\n"), "{\"ok\":true}\n")
	eventually(t, "the old limit", func() bool { return limit() == 16 })
}
