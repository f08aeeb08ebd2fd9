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

// fakeServices records what is asked of it, and answers as it is told to.
type fakeServices struct {
	mu      sync.Mutex
	calls   []string
	infos   []supervisor.Info
	port    int
	err     error
	blocked chan struct{} // Start and Shutdown wait for it, if it is there
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

	logger *Logger
	once   sync.Once
}

// logText is what was logged.
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
func serve(t *testing.T, services *fakeServices, allow Judge, maxConns int) *serving {
	t.Helper()
	return serveAny(t, services, allow, maxConns)
}

func serveAny(t *testing.T, services Services, allow Judge, maxConns int) *serving {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	log := &logText{}
	s := &serving{addr: l.Addr().String(), log: log, ended: make(chan error, 1)}
	s.logger = NewLogger(log)
	s.Server = NewServer(services, s.logger, allow, maxConns)
	go func() { s.ended <- s.Serve(l.(*net.TCPListener)) }()
	t.Cleanup(s.end)
	return s
}

// end ends the server, and returns when it has ended and everything is in the log.
func (s *serving) end() {
	s.once.Do(func() {
		s.Shutdown("the test is over")
		<-s.ended
		s.logger.Close()
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
			t.Fatalf("waited in vain for %s", what)
		}
	}
}
