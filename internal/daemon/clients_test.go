package daemon

import (
	"io"
	"net"
	"strings"
	"testing"

	"zr/internal/supervisor"
)

// When no place is free, the longest silent client is closed. A client that waits for its reply is
// not silent.
func TestLongestSilentIsClosed(t *testing.T) {
	t.Parallel()
	services := &fakeServices{port: 9200, blocked: make(chan struct{})}
	s := serve(t, services, anybody, 16)
	waiting := s.starting(t, services, 1)
	silent := s.fill(t, 30, 16)
	for range 20 {
		s.wantPong(t, "a good client")
	}
	want(t, "the oldest", rest(t, silent[0]), "")
	io.WriteString(silent[29], pingLine)
	want(t, "the youngest", rest(t, silent[29]), pong)
	close(services.blocked)
	wantStarted(t, waiting...)
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
	waiting := s.starting(t, services, places-1)
	for range 200 {
		s.wantPong(t, "a ping in the last place")
		eventually(t, "the free place", func() bool { return s.openConns() == places-1 })
	}
	waiting = append(waiting, s.starting(t, services, 1)...)
	want(t, "a ping without a place", s.ask(t, pingLine), `{"ok":false,"error":"too many clients are connected"}`+"\n")
	close(services.blocked)
	wantStarted(t, waiting...)
}

// If there are more clients than places, all get their replies: each needs its place only for a
// moment.
func TestMoreClientsThanPlaces(t *testing.T) {
	t.Parallel()
	s := serve(t, &fakeServices{}, anybody, 2)
	s.askMany(t, 30, pingLine).Wait()
}

// A client whose line has arrived keeps its place, even if nobody has read the line yet.
func TestUnreadLineKeepsThePlace(t *testing.T) {
	t.Parallel()
	for about, input := range map[string]string{"a line": "x\n", "half a line": "x", "the end": "", "nothing": "-"} {
		peer, conn := connected(t)
		defer peer.Close()
		defer conn.Close()
		cs := newClients(1)
		c := cs.add(conn) // it has no handler
		if about != "nothing" {
			io.WriteString(peer, input)
			peer.CloseWrite()
			eventually(t, about, c.hasInput)
		}
		if got := cs.makeRoom(); got != (about == "nothing") {
			t.Errorf("%s: made room: %v", about, got)
		}
	}
}

// A client that stays after its reply loses its place to a newcomer.
func TestLingeringClientLosesItsPlace(t *testing.T) {
	t.Parallel()
	s := serve(t, &fakeServices{}, anybody, 1)
	for range 5 {
		conn := s.dial(t)
		io.WriteString(conn, "nonsense\n")
		want(t, "nonsense", rest(t, conn), `{"ok":false,"error":"invalid daemon request: not a JSON object"}`+"\n")
	}
	s.wantPong(t, "a ping")
}

// When descriptors run out, there are fewer places until all clients have left.
func TestShrink(t *testing.T) {
	t.Parallel()
	s := serve(t, &fakeServices{}, anybody, 16)
	silent := s.fill(t, 16, 16)
	s.clients.shrink()
	if n := s.openConns(); n > 6 {
		t.Errorf("%d clients have a place", n)
	}
	silent = append(silent, s.fill(t, 10, 6)...)
	want(t, "the oldest", rest(t, silent[0]), "")
	s.wantPong(t, "a good client")
	for _, conn := range silent {
		conn.Close()
	}
	eventually(t, "the end of all connections", func() bool { return s.openConns() == 0 })
	s.fill(t, 16, 16)
}

// A silent client is closed when its time is up.
func TestSilentClientsExpire(t *testing.T) {
	t.Parallel()
	peer, conn := connected(t)
	defer peer.Close()
	s := NewServer(nil, &fakeServices{}, NewLogger(io.Discard), anybody, 1)
	s.clients.endSoon() // shortens that time
	s.serve(s.clients.add(conn), "")
	want(t, "a silent client", rest(t, peer), "")
	if n := len(s.clients.open); n != 0 {
		t.Errorf("%d places are taken", n)
	}
}

// A client that does not read a long reply does not delay the end.
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
