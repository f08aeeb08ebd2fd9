package daemon

import (
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

const shutdownLine = `{"request":"shutdown"}` + "\n"

// Each of 200 clients gets its reply, and the services are ended once.
func TestShutdownRepliesToAll(t *testing.T) {
	t.Parallel()
	services := &fakeServices{blocked: make(chan struct{})}
	s := serve(t, services, anybody, 512)
	var replies sync.WaitGroup
	for range 200 {
		conn := s.dial(t)
		replies.Go(func() {
			io.WriteString(conn, shutdownLine)
			want(t, "the reply", rest(t, conn), "{\"ok\":true}\n")
		})
	}
	close(services.blocked)
	replies.Wait()
	if err := <-s.ended; err != nil {
		t.Error(err)
	}
	s.ended <- nil
	want(t, "the calls", services.called(), "shutdown")
	if conn, err := net.Dial("tcp", s.addr); err == nil {
		conn.Close()
		t.Error("it still listens")
	}
}

// So do those who are connected but not accepted yet when the last service goes,
// however long it was since.
func TestShutdownRepliesToTheQueue(t *testing.T) {
	t.Parallel()
	gate := make(chan struct{})
	s := serve(t, &fakeServices{}, func(net.Conn) (string, error) { <-gate; return "", nil }, 512)
	var replies sync.WaitGroup
	for range 100 {
		conn := s.dial(t)
		replies.Go(func() {
			io.WriteString(conn, shutdownLine)
			want(t, "the reply", rest(t, conn), "{\"ok\":true}\n")
		})
	}
	s.Shutdown("the test")
	time.Sleep(5 * lateGaps * lateGap) // as if the server had been kept from running
	close(gate)
	replies.Wait()
}

// Who is told of the end can start the next daemon at once.
func TestShutdownFreesThePortFirst(t *testing.T) {
	t.Parallel()
	s := serve(t, &fakeServices{}, anybody, 8)
	s.dial(t) // a silent client has more time than that
	want(t, "the reply", s.ask(t, shutdownLine), "{\"ok\":true}\n")
	l, err := net.Listen("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
}

// Clients that connect again and again do not put off the end.
func TestShutdownEndsUnderConnects(t *testing.T) {
	t.Parallel()
	s := serve(t, &fakeServices{}, anybody, 8192)
	go func() {
		for {
			conn, err := net.Dial("tcp", s.addr)
			if err != nil {
				return
			}
			conn.Close()
			time.Sleep(lateGap)
		}
	}()
	eventually(t, "the first connection", func() bool { return s.openConns() > 0 })
	s.wantEnd(t)
}

// Nor does a queue that is never empty.
func TestShutdownEndsUnderAQueue(t *testing.T) {
	t.Parallel()
	var s *serving
	ready := make(chan struct{})
	s = serve(t, &fakeServices{}, func(net.Conn) (string, error) {
		<-ready
		if next, err := net.Dial("tcp", s.addr); err == nil {
			next.Close()
		}
		return "", nil
	}, 8192)
	s.dial(t)
	close(ready)
	s.wantEnd(t)
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

// Who is just connecting when the last service goes is answered.
func TestLateClients(t *testing.T) {
	t.Parallel()
	for range 10 { // once is enough: a busy machine may be later than late
		s := serve(t, &fakeServices{}, anybody, 8)
		s.Shutdown("the test")
		time.Sleep(lateGaps * lateGap / 2)
		conn, err := net.Dial("tcp", s.addr)
		if err != nil {
			continue
		}
		io.WriteString(conn, shutdownLine)
		reply, err := io.ReadAll(conn)
		conn.Close()
		if err == nil && string(reply) == "{\"ok\":true}\n" {
			return
		}
	}
	t.Error("nobody is answered")
}

// A client that connected in time and says its line a moment later is answered.
func TestLateLines(t *testing.T) {
	t.Parallel()
	services := &fakeServices{}
	s := serve(t, services, anybody, 8)
	late := s.dial(t)
	eventually(t, "the connection", func() bool { return s.openConns() == 1 })
	s.Shutdown("the test")
	io.WriteString(late, shutdownLine)
	want(t, "the late one", rest(t, late), "{\"ok\":true}\n")
}

// Silent clients and those that never read do not hold up the end.
func TestShutdownDoesNotWait(t *testing.T) {
	t.Parallel()
	s := serve(t, &fakeServices{}, anybody, 64)
	for range 20 {
		s.dial(t)
		io.WriteString(s.dial(t), `{"requ`)
	}
	eventually(t, "the connections", func() bool { return s.openConns() == 40 })
	s.wantEnd(t)
}

// Services that are left are an error, of Serve and of each shutdown.
func TestShutdownFails(t *testing.T) {
	t.Parallel()
	stuck := errors.New("stuck")
	s := serve(t, &fakeServices{err: stuck}, anybody, 8)
	want(t, "the reply", s.ask(t, shutdownLine), `{"ok":false,"error":"stuck"}`+"\n")
	err := <-s.ended
	s.ended <- err
	if err != stuck || s.Shutdown("the test") != stuck {
		t.Errorf("Serve returned %v", err)
	}
}

// A request that takes longer than the end is answered when it is done.
func TestReplyToARequestThatTakesLonger(t *testing.T) {
	t.Parallel()
	services := &fakeServices{port: 9200, blocked: make(chan struct{})}
	s := serve(t, services, anybody, 8)
	conn := s.dial(t)
	io.WriteString(conn, `{"request":"start-service","name":"kv"}`+"\n")
	eventually(t, "the call", func() bool { return services.called() == "start:kv" })
	s.clients.endSoon()
	time.Sleep(endTimeout + 100*time.Millisecond)
	close(services.blocked)
	want(t, "the reply", rest(t, conn), `{"ok":true,"port":9200}`+"\n")
}
