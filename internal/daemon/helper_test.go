package daemon

import (
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"zr/internal/supervisor"
)

// fakeServices records the calls, and returns its fields.
type fakeServices struct {
	mu      sync.Mutex
	calls   []string
	infos   []supervisor.Info
	port    int
	err     error
	blocked chan struct{} // all but Stop wait until it is closed, unless it is nil
}

func (f *fakeServices) note(call string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, call)
}

func (f *fakeServices) called() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Join(f.calls, " ")
}

func (f *fakeServices) wait() {
	if f.blocked != nil {
		<-f.blocked
	}
}

func (f *fakeServices) Start(name string) (int, error) {
	f.note("start:" + name)
	f.wait()
	return f.port, f.err
}

func (f *fakeServices) Stop(name string) error {
	f.note("stop:" + name)
	return f.err
}

func (f *fakeServices) Status() []supervisor.Info {
	f.note("status")
	f.wait()
	return f.infos
}

func (f *fakeServices) Shutdown() error {
	f.note("shutdown")
	f.wait()
	return f.err
}

func anybody(net.Conn) (string, error) { return "", nil }

// serving is a server on a port of its own.
type serving struct {
	*Server
	addr  string
	log   *logText
	ended chan error // what Serve returns
	once  sync.Once
}

// logText holds the text of a log.
type logText struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// serve runs a server of services until the end of the test.
func serve(t *testing.T, services Services, allow Judge, maxConns int) *serving {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	log := &logText{}
	s := &serving{addr: l.Addr().String(), log: log, ended: make(chan error, 1)}
	s.Server = NewServer(l.(*net.TCPListener), services, NewLogger(log), allow, maxConns)
	go func() { s.ended <- s.Serve() }()
	t.Cleanup(s.end)
	return s
}

// end ends the server. When it returns, everything is in the log.
func (s *serving) end() {
	s.once.Do(func() {
		s.Shutdown("the test is over")
		<-s.ended
		s.Server.log.Close()
	})
}

const limit = 30 * time.Second

func (s *serving) dial(t *testing.T) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(limit))
	return conn.(*net.TCPConn)
}

// ask sends input and returns all that comes back.
func (s *serving) ask(t *testing.T, input string) string {
	t.Helper()
	conn := s.dial(t)
	if _, err := io.WriteString(conn, input); err != nil {
		t.Fatal(err)
	}
	return rest(t, conn)
}

const pingLine, pong = `{"request":"ping"}` + "\n", `{"ok":true}` + "\n"

func (s *serving) wantPong(t *testing.T, about string) {
	t.Helper()
	want(t, about, s.ask(t, pingLine), pong)
}

// askMany sends line n times, each on a connection of its own. Every reply must be pong. The caller
// waits for the replies.
func (s *serving) askMany(t *testing.T, n int, line string) *sync.WaitGroup {
	t.Helper()
	var replies sync.WaitGroup
	for range n {
		conn := s.dial(t)
		io.WriteString(conn, line)
		replies.Go(func() { want(t, "the reply", rest(t, conn), pong) })
	}
	return &replies
}

// starting connects n clients whose starts of kv wait in services.
func (s *serving) starting(t *testing.T, services *fakeServices, n int) (waiting []*net.TCPConn) {
	t.Helper()
	before := strings.Count(services.called(), "start:kv")
	for range n {
		conn := s.dial(t)
		io.WriteString(conn, `{"request":"start-service","name":"kv"}`+"\n")
		waiting = append(waiting, conn)
	}
	eventually(t, "all calls", func() bool { return strings.Count(services.called(), "start:kv") == before+n })
	return waiting
}

// wantStarted expects the replies to starts that succeeded.
func wantStarted(t *testing.T, waiting ...*net.TCPConn) {
	t.Helper()
	for _, conn := range waiting {
		want(t, "the reply to a start", rest(t, conn), `{"ok":true,"port":9200}`+"\n")
	}
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

// wantEnd ends the server, and fails if that takes too long.
func (s *serving) wantEnd(t *testing.T) {
	t.Helper()
	s.Shutdown("the test")
	select {
	case err := <-s.ended:
		s.ended <- err
	case <-time.After(limit):
		t.Fatal("the server does not end")
	}
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

func rest(t *testing.T, conn net.Conn) string {
	t.Helper()
	reply, err := io.ReadAll(conn)
	if err != nil {
		t.Errorf("after %q: %v", reply, err)
	}
	return string(reply)
}

func want(t *testing.T, about, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n got %q\nwant %q", about, got, want)
	}
}

// eventually polls until cond holds.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !cond(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s did not happen", what)
		}
	}
}
