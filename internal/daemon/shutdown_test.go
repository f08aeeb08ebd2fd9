package daemon

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"
)

const shutdownLine = `{"request":"shutdown"}` + "\n"

// Each of 200 clients gets its reply, and the services are ended once.
func TestShutdownRepliesToAll(t *testing.T) {
	t.Parallel()
	services := &fakeServices{blocked: make(chan struct{})}
	s := serve(t, services, anybody, 512)
	replies := s.askMany(t, 30, shutdownLine)
	close(services.blocked)
	replies.Wait()
	if err := <-s.ended; err != nil {
		t.Error(err)
	}
	s.ended <- nil
	want(t, "the calls", services.called(), "shutdown")
	if conn, err := net.Dial("tcp", s.addr); err == nil {
		conn.Close()
		t.Error("the port is still open")
	}
}

// A client that is connected but not accepted yet when the last service ends gets its reply too,
// even if the server does not run for a while.
func TestShutdownRepliesToTheQueue(t *testing.T) {
	t.Parallel()
	gate := make(chan struct{})
	s := serve(t, &fakeServices{}, func(net.Conn) (string, error) { <-gate; return "", nil }, 512)
	replies := s.askMany(t, 30, shutdownLine)
	go s.Shutdown("the test")
	<-s.drained
	time.Sleep(5 * lateGaps * lateGap) // as if the server had been kept from running
	close(gate)
	replies.Wait()
}

// A client that has the reply can start the next daemon at once.
func TestShutdownFreesThePortFirst(t *testing.T) {
	t.Parallel()
	s := serve(t, &fakeServices{}, anybody, 8)
	s.dial(t) // a silent client, which is still connected then
	want(t, "the reply", s.ask(t, shutdownLine), pong)
	l, err := net.Listen("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
}

// A queue of connections that is never empty does not put off the end.
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

// A client that connects just when the last service ends gets its reply.
func TestLateClients(t *testing.T) {
	t.Parallel()
	for range 100 { // one reply is enough: a busy machine may connect too late
		s := serve(t, &fakeServices{}, anybody, 8)
		go s.Shutdown("the test")
		<-s.drained
		time.Sleep(lateGaps * lateGap / 2)
		conn, err := net.Dial("tcp", s.addr)
		if err != nil {
			continue
		}
		io.WriteString(conn, shutdownLine)
		reply, err := io.ReadAll(conn)
		conn.Close()
		if err == nil && string(reply) == pong {
			return
		}
	}
	t.Error("no client gets a reply")
}

// A client that connected in time and sends its line a moment later gets its reply.
func TestLateLines(t *testing.T) {
	t.Parallel()
	services := &fakeServices{}
	s := serve(t, services, anybody, 8)
	late := s.dial(t)
	eventually(t, "the connection", func() bool { return s.openConns() == 1 })
	go s.Shutdown("the test")
	<-s.drained
	io.WriteString(late, shutdownLine)
	want(t, "the late client", rest(t, late), pong)
}

// Silent clients do not put off the end.
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

// Services that do not end are an error of Serve and of each shutdown.
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

// A request that takes longer than endTimeout gets its reply.
func TestReplyToARequestThatTakesLonger(t *testing.T) {
	t.Parallel()
	services := &fakeServices{port: 9200, blocked: make(chan struct{})}
	s := serve(t, services, anybody, 8)
	waiting := s.starting(t, services, 1)
	s.clients.endSoon()
	time.Sleep(endTimeout + 100*time.Millisecond)
	close(services.blocked)
	wantStarted(t, waiting...)
}
