// Package daemon serves the protocol: it accepts connections, reads one line from each, carries it
// out and writes one line back. A client can cost it neither more than a bounded amount of memory
// nor anybody else's time.
package daemon

import (
	"errors"
	"net"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"zr/internal/protocol"
	"zr/internal/supervisor"
)

const (
	lineTimeout   = 60 * time.Second // for a complete line, as SPEC.md says
	writeTimeout  = 10 * time.Second // for a client to take its reply
	lingerTimeout = time.Second      // for a client to end what it sends, after its reply
	lingerMost    = 4 << 20          // bytes that are read meanwhile
	hurryTimeout  = time.Second      // for each of these once the server ends
	crowdTries    = 50               // milliseconds in which a place may become free for a newcomer
	refusedPlaces = 32               // for refused clients that have not hung up yet
	lateGap       = time.Millisecond // see acceptLate
	lateGaps      = 10
	lateMost      = time.Second
)

var errCrowded = errors.New("too many clients are connected")

// Services is what the server needs of a supervisor.
type Services interface {
	Start(name string) (int, error)
	Stop(name string) error
	Status() []supervisor.Info
	Shutdown() error
}

// A Server serves one listener.
type Server struct {
	services Services
	log      *Logger
	allow    Judge
	lines    *protocol.LineReader
	clients  *clients
	refused  *clients // clients that have got their only reply, from the accept loop
	handlers sync.WaitGroup
	pings    chan chan struct{} // of Ping, which waits until what it sends is closed
	woken    chan chan struct{} // likewise: on their way from wake to the accept loop

	shutdown sync.Once
	ending   chan struct{} // closed when Shutdown begins
	drained  chan struct{} // closed when all services are gone
	closed   chan struct{} // closed when the listener is closed
	left     error         // names the services that are not gone; read it after drained

	began       time.Time
	complainNow atomic.Int64 // nanoseconds after began; see complain
}

// NewServer returns a Server that asks allow once about each connection, right after accept, and
// has at most maxConns clients at once.
func NewServer(services Services, logger *Logger, allow Judge, maxConns int) *Server {
	return &Server{
		services: services, log: logger, allow: allow,
		lines:   protocol.NewLineReader(),
		clients: newClients(maxConns),
		refused: newClients(min(max(maxConns/8, 1), refusedPlaces)),
		pings:   make(chan chan struct{}),
		woken:   make(chan chan struct{}, 1),
		ending:  make(chan struct{}),
		drained: make(chan struct{}),
		closed:  make(chan struct{}),
		began:   time.Now(),
	}
}

// Serve answers clients on l until Shutdown has ended all services, and every client that asked for
// it has its reply. It returns what Shutdown returns.
func (s *Server) Serve(l *net.TCPListener) error {
	go s.wake(l)
	s.accept(l)
	s.acceptLate(l)
	l.Close()
	close(s.closed)
	s.clients.hurryUp()
	s.refused.hurryUp()
	s.handlers.Wait()
	return s.left
}

// Shutdown ends all services and then Serve. The first call does it and logs why; every call returns
// when the services are gone. The error names those that are not.
func (s *Server) Shutdown(why string) error {
	s.shutdown.Do(func() {
		s.log.Print(why)
		close(s.ending)
		s.left = s.services.Shutdown()
		close(s.drained)
	})
	<-s.drained
	return s.left
}

// shutdownFor is Shutdown for a client. It returns when the port is free for the next daemon.
func (s *Server) shutdownFor(user string) error {
	why := "shutdown requested"
	if user != "" {
		why += " by " + user
	}
	err := s.Shutdown(why)
	<-s.closed
	return err
}

// Ending is closed when the first Shutdown begins.
func (s *Server) Ending() <-chan struct{} { return s.ending }

// accept returns when all services are gone. If accept fails, most often for lack of descriptors,
// silent clients give some back, and accept is tried again after a pause.
func (s *Server) accept(l *net.TCPListener) {
	var pause time.Duration
	for {
		conn, err := l.AcceptTCP()
		switch {
		case err == nil:
			pause = 0
			s.take(conn)
		case errors.Is(err, os.ErrDeadlineExceeded):
			if s.interrupted(l) {
				return
			}
		default:
			pause = min(max(2*pause, 5*time.Millisecond), 100*time.Millisecond)
			s.complain("accept error: %v", err)
			s.clients.shrink()
			time.Sleep(pause)
		}
	}
}

// acceptLate takes the clients that are in the queue when the services are gone, or about to
// connect, most likely to ask for the same: closing the listener would reset them. It ends when
// none came for lateGaps in a row. One long gap could pass while the process is paused.
func (s *Server) acceptLate(l *net.TCPListener) {
	end := time.Now().Add(lateMost)
	for quiet := 0; quiet < lateGaps && time.Now().Before(end); {
		l.SetDeadline(time.Now().Add(lateGap))
		conn, err := l.AcceptTCP()
		switch {
		case err == nil:
			quiet = 0
			s.take(conn)
			continue
		case !errors.Is(err, os.ErrDeadlineExceeded):
			s.clients.shrink()
			time.Sleep(lateGap)
		}
		quiet++
	}
}

// take gives a new connection a place and a handler, or refuses it.
func (s *Server) take(conn *net.TCPConn) {
	user, err := s.allow(conn)
	if err != nil {
		s.refuse(conn, err)
		return
	}
	for range crowdTries { // the handlers may just need a moment
		if c := s.clients.add(conn, user, lineTimeout); c != nil {
			s.handlers.Go(func() { s.serve(c) })
			return
		}
		time.Sleep(time.Millisecond)
	}
	s.refuse(conn, errCrowded)
}

// refuse replies why at once, whatever the client asks. It waits for nothing: a new socket has room
// for a line. The client keeps one of the few places in refused until it hangs up, so that the
// reply is not lost.
func (s *Server) refuse(conn *net.TCPConn, why error) {
	conn.SetDeadline(time.Now().Add(lingerTimeout))
	conn.Write(protocol.EncodeLine(refused(why.Error())))
	c := s.refused.add(conn, "", lingerTimeout)
	if c == nil {
		conn.Close()
		return
	}
	s.handlers.Go(func() {
		defer c.leave()
		if c.linger() { // otherwise it has only looked whether the port is open
			s.complain("connection error: %v", why)
		}
	})
}

// serve answers one client and closes the connection. There is no reply to a client that sends no
// line in time or hangs up.
func (s *Server) serve(c *client) {
	defer c.leave()
	line, more, err := s.lines.ReadLine(c)
	var reply protocol.Reply
	switch {
	case err == nil:
		reply = s.dispatch(line, c.user)
	case errors.Is(err, protocol.ErrLineTooLong), errors.Is(err, protocol.ErrTooManyLong):
		reply = invalid(err)
	default:
		return
	}
	c.patience(writeTimeout)
	if _, err := c.Write(protocol.EncodeLine(reply)); err != nil {
		s.complain("connection error: %v", err)
		return
	}
	if more || !reply.OK { // a client that sends nonsense may send more of it
		c.patience(lingerTimeout)
		c.linger()
	}
}

// linger ends the reply, and reads on until the client hangs up: closing a connection with unread
// input resets it, and the client might lose the reply. It reports whether anything was read. The
// buffer is small, as there may be thousands; each client waits for all others after each read.
func (c *client) linger() bool {
	c.CloseWrite()
	var scrap [512]byte
	total := 0
	for total < lingerMost {
		n, err := c.Read(scrap[:])
		total += n
		if err != nil {
			break
		}
		runtime.Gosched()
	}
	return total > 0
}

// complain logs at most one line a second of what clients can cause.
func (s *Server) complain(format string, args ...any) {
	now, next := int64(time.Since(s.began)), s.complainNow.Load()
	if now >= next && s.complainNow.CompareAndSwap(next, now+int64(time.Second)) {
		s.log.Printf(format, args...)
	}
}
