package daemon

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
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

// A client that may not speak gets one reply, whatever it asks and whether it asks or not. Nothing is
// done. A client that only looks whether the port is open is not logged.
func TestRefusal(t *testing.T) {
	t.Parallel()
	for line, logged := range map[string]bool{
		`{"request":"ping"}` + "\n": true, `{"request":"shutdown"}` + "\n": true, "nonsense": true, "": false,
	} {
		services := &fakeServices{}
		s := serve(t, services, func(net.Conn) (string, error) { return "", errors.New("permission denied: test") }, 8)
		conn := s.dial(t)
		io.WriteString(conn, line)
		conn.CloseWrite()
		want(t, line, rest(t, conn), `{"ok":false,"error":"permission denied: test"}`+"\n")
		conn.Close()
		eventually(t, "the end of the connection", func() bool { return s.openConns() == 0 })
		s.end()
		want(t, "the calls", services.called(), "shutdown")
		if got := strings.Contains(s.log.String(), "daemon: connection error: permission denied: test\n"); got != logged {
			t.Errorf("%q: logged is %v", line, got)
		}
	}
}

// Refused clients get their reply from the accept loop and share a few places. However many there
// are, however long they stay, they take none from an allowed client.
func TestRefusedTakeNoPlaces(t *testing.T) {
	t.Parallel()
	var allowed atomic.Bool
	services := &fakeServices{}
	s := serve(t, services, func(net.Conn) (string, error) {
		if allowed.Load() {
			return "", nil
		}
		return "", errors.New("no")
	}, 4)
	for range 100 {
		io.WriteString(s.dial(t), "x") // has no end
	}
	last := s.dial(t)
	want(t, "the last one", rest(t, last), `{"ok":false,"error":"no"}`+"\n")
	allowed.Store(true)
	var silent []*net.TCPConn
	for range 3 {
		silent = append(silent, s.dial(t))
	}
	want(t, "an allowed client", s.ask(t, `{"request":"ping"}`+"\n"), "{\"ok\":true}\n")
	for _, conn := range silent {
		io.WriteString(conn, `{"request":"ping"}`+"\n")
		want(t, "a client that was silent", rest(t, conn), "{\"ok\":true}\n")
	}
}

// The user is looked up once, and before anything is read: a client that has hung up has no user.
func TestAllowIsAskedAtOnce(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	s := serve(t, &fakeServices{}, func(net.Conn) (string, error) { asked.Add(1); return "", nil }, 8)
	conn := s.dial(t)
	eventually(t, "the look at a client that says nothing", func() bool { return asked.Load() == 1 })
	io.WriteString(conn, `{"request":"ping"}`+"\n")
	want(t, "a ping", rest(t, conn), `{"ok":true}`+"\n")
	if n := asked.Load(); n != 1 {
		t.Errorf("%d looks", n)
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
		if time.Since(begin) < lingerTimeout/2 {
			return
		}
	}
	t.Error("the reply has no end while the request has none")
}

// openConns counts the clients that have a place.
func (s *serving) openConns() (n int) {
	for _, set := range []*clients{s.clients, s.refused} {
		set.mu.Lock()
		n += len(set.open)
		set.mu.Unlock()
	}
	return n
}

// However many requests take their time, the next one is served.
func TestSlowRequestsHoldUpNobody(t *testing.T) {
	t.Parallel()
	services := &fakeServices{port: 9200, blocked: make(chan struct{})}
	s := serve(t, services, anybody, 64)
	var slow []*net.TCPConn
	for range 8 {
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

// When no place is free, the longest silent client is closed, and never one that waits for its
// reply.
func TestLongestSilentIsClosed(t *testing.T) {
	t.Parallel()
	services := &fakeServices{port: 9200, blocked: make(chan struct{})}
	s := serve(t, services, anybody, 16)
	waiting := s.dial(t)
	io.WriteString(waiting, `{"request":"start-service","name":"kv"}`+"\n")
	eventually(t, "the call", func() bool { return services.called() == "start:kv" })
	silent := s.fill(t, 30, 16)
	for range 20 {
		want(t, "a good client", s.ask(t, `{"request":"ping"}`+"\n"), "{\"ok\":true}\n")
	}
	want(t, "the oldest", rest(t, silent[0]), "")
	io.WriteString(silent[29], `{"request":"ping"}`+"\n")
	want(t, "the youngest", rest(t, silent[29]), "{\"ok\":true}\n")
	close(services.blocked)
	want(t, "the one that waits", rest(t, waiting), `{"ok":true,"port":9200}`+"\n")
}

// fill connects n silent clients one after the other, up to places clients in all.
func (s *serving) fill(t *testing.T, n, places int) (silent []*net.TCPConn) {
	t.Helper()
	before := s.openConns()
	for i := range n {
		silent = append(silent, s.dial(t))
		eventually(t, "the next to be accepted", func() bool { return s.openConns() == min(before+1+i, places) })
	}
	return silent
}

// The last free place serves one client after the other, while all others are taken by clients that
// wait for their replies. A client that finds no place is told so.
func TestLastPlace(t *testing.T) {
	t.Parallel()
	const places = 8
	services := &fakeServices{port: 9200, blocked: make(chan struct{})}
	s := serve(t, services, anybody, places)
	var waiting []*net.TCPConn
	start := func() {
		t.Helper()
		waiting = append(waiting, s.dial(t))
		io.WriteString(waiting[len(waiting)-1], `{"request":"start-service","name":"kv"}`+"\n")
		eventually(t, "the call", func() bool { return strings.Count(services.called(), "start:kv") == len(waiting) })
	}
	for range places - 1 {
		start()
	}
	for range 200 {
		want(t, "a ping in the last place", s.ask(t, `{"request":"ping"}`+"\n"), "{\"ok\":true}\n")
	}
	start()
	want(t, "a ping without a place", s.ask(t, `{"request":"ping"}`+"\n"), `{"ok":false,"error":"too many clients are connected"}`+"\n")
	close(services.blocked)
	for _, conn := range waiting {
		want(t, "the reply to a start", rest(t, conn), `{"ok":true,"port":9200}`+"\n")
	}
}

// More clients at once than places all get their replies, as each needs its place for a moment only.
func TestMoreClientsThanPlaces(t *testing.T) {
	t.Parallel()
	s := serve(t, &fakeServices{}, anybody, 2)
	var all sync.WaitGroup
	for range 200 {
		conn := s.dial(t)
		io.WriteString(conn, `{"request":"ping"}`+"\n")
		all.Go(func() { want(t, "a ping", rest(t, conn), "{\"ok\":true}\n") })
	}
	all.Wait()
}

// A client whose line has arrived keeps its place, even if nobody has read the line yet.
func TestUnreadLineKeepsThePlace(t *testing.T) {
	t.Parallel()
	for about, input := range map[string]string{"a line": "x\n", "half a line": "x", "the end": "", "nothing": "-"} {
		peer, conn := connected(t)
		defer peer.Close()
		defer conn.Close()
		cs := newClients(1)
		cs.add(conn, "", time.Hour) // and has no handler
		if about != "nothing" {
			io.WriteString(peer, input)
			peer.CloseWrite()
			raw, _ := conn.SyscallConn()
			eventually(t, about, func() bool { return hasInput(raw) })
		}
		if got := cs.makeRoom(); got != (about == "nothing") {
			t.Errorf("%s: made room: %v", about, got)
		}
	}
}

// A client that has got its reply, and stays, loses its place to one that has not.
func TestLingeringClientGivesWay(t *testing.T) {
	t.Parallel()
	s := serve(t, &fakeServices{}, anybody, 1)
	for range 5 {
		conn := s.dial(t)
		io.WriteString(conn, "nonsense\n")
		want(t, "nonsense", rest(t, conn), `{"ok":false,"error":"invalid daemon request: not a JSON object"}`+"\n")
	}
	want(t, "a ping", s.ask(t, `{"request":"ping"}`+"\n"), "{\"ok\":true}\n")
}

// Fewer places, after descriptors ran out, are for the time until all clients have left.
func TestShrink(t *testing.T) {
	t.Parallel()
	s := serve(t, &fakeServices{}, anybody, 16)
	silent := s.fill(t, 16, 16)
	s.clients.shrink()
	if n := s.openConns(); n > 6 {
		t.Errorf("%d clients are left", n)
	}
	s.fill(t, 10, 6)
	want(t, "the oldest", rest(t, silent[0]), "")
	want(t, "a good client", s.ask(t, `{"request":"ping"}`+"\n"), "{\"ok\":true}\n")
}

// A silent client has its time and no more.
func TestSilentClientsExpire(t *testing.T) {
	t.Parallel()
	peer, conn := connected(t)
	defer peer.Close()
	s := NewServer(&fakeServices{}, NewLogger(io.Discard), anybody, 1)
	c := s.clients.add(conn, "", 50*time.Millisecond)
	s.serve(c)
	want(t, "a silent client", rest(t, peer), "")
	if n := len(s.clients.open); n != 0 {
		t.Errorf("%d places are taken", n)
	}
}

// A client that does not read a long reply has its time, and less once the server ends.
func TestDeafClients(t *testing.T) {
	t.Parallel()
	var services fakeServices
	for range 100 { // more than the buffers of a connection hold
		services.infos = append(services.infos, supervisor.Info{Name: strings.Repeat("x", 64<<10), Status: "running"})
	}
	s := serve(t, &services, anybody, 8)
	conn := s.dial(t)
	conn.SetReadBuffer(4 << 10)
	io.WriteString(conn, `{"request":"status"}`+"\n")
	eventually(t, "the call", func() bool { return services.called() == "status" })
	s.wantEnd(t)
}

// connected returns the two ends of a connection.
func connected(t *testing.T) (client, server *net.TCPConn) {
	t.Helper()
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err = l.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	conn.SetDeadline(time.Now().Add(limit))
	return conn.(*net.TCPConn), server
}

// An error is cut at 1 KiB, in a reply and in a status, and is UTF-8 then.
func TestLongErrors(t *testing.T) {
	t.Parallel()
	long := errors.New("x" + strings.Repeat("é", 100_000))
	for about, s := range map[string]*serving{
		"a failed start": serve(t, &fakeServices{err: long}, anybody, 8),
		"a refusal":      serve(t, &fakeServices{}, func(net.Conn) (string, error) { return "", long }, 8),
	} {
		line := s.ask(t, `{"request":"start-service","name":"kv"}`+"\n")
		want(t, about, line, `{"ok":false,"error":"x`+strings.Repeat("é", (maxError-4)/2)+"…\"}\n")
	}
	s := serve(t, &fakeServices{infos: []supervisor.Info{{Name: "kv", LastError: long.Error(), LastErrorAt: time.Now()}}}, anybody, 8)
	line := s.ask(t, `{"request":"status","verbose":true}`+"\n")
	if len(line) > maxError+200 || !strings.Contains(line, "ééé…, 0 s ago") {
		t.Errorf("%d bytes: %s", len(line), line)
	}
}

// Ping works beside clients that take all places, waits for the supervisor, and tells when it does
// not answer.
func TestPing(t *testing.T) {
	t.Parallel()
	stuck := make(chan struct{})
	services := &stuckStatus{released: stuck}
	s := serveAny(t, services, anybody, 2)
	s.dial(t)
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := s.Ping(short); err == nil {
		t.Error("no error from a daemon whose supervisor is stuck")
	}
	close(stuck)
	for range 100 {
		if err := s.Ping(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	want(t, "a client", s.ask(t, `{"request":"ping"}`+"\n"), "{\"ok\":true}\n")
	s.wantEnd(t)
	if err := s.Ping(t.Context()); err != nil {
		t.Errorf("after the end: %v", err)
	}
}

// stuckStatus does not answer until it is released.
type stuckStatus struct {
	fakeServices
	released chan struct{}
}

func (s *stuckStatus) Status() []supervisor.Info {
	<-s.released
	return nil
}

// The log says once who asked for the end.
func TestShutdownIsLogged(t *testing.T) {
	t.Parallel()
	for user, logged := range map[string]string{
		"":          "daemon: shutdown requested\n",
		"user 1000": "daemon: shutdown requested by user 1000\n",
	} {
		s := serve(t, &fakeServices{}, func(net.Conn) (string, error) { return user, nil }, 8)
		want(t, "the reply", s.ask(t, shutdownLine), "{\"ok\":true}\n")
		s.end()
		want(t, "the log", s.log.String(), logged)
	}
}
