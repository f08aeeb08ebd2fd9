// Package daemon serves the protocol: it accepts connections, reads one line from each, carries it
// out and writes one line back. A client costs a bounded amount of memory, and delays no other
// client.
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
	lineTimeout   = 60 * time.Second // for a complete line
	writeTimeout  = 10 * time.Second // for a client to take its reply
	lingerTimeout = time.Second      // for a client to hang up after its reply
	lingerMost    = 4 << 20          // bytes that are read meanwhile
	endTimeout    = time.Second      // instead of each of these once the server ends
	crowdTries    = 50               // milliseconds that a newcomer waits for a place
	refusedPlaces = 32               // for refused clients that have not hung up yet
	lateGap       = time.Millisecond // see acceptLate
	lateGaps      = 10
	lateMost      = time.Second
)

var errCrowded = errors.New("too many clients are connected")

// Services is the part of *supervisor.Supervisor that the server needs.
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
	pings    chan chan struct{} // from Ping to wake; the accept loop closes what Ping sends
	woken    chan chan struct{} // from wake to the accept loop

	shutdown sync.Once
	ending   chan struct{} // closed when Shutdown begins
	drained  chan struct{} // closed when all services are gone
	closed   chan struct{} // closed when the listener is closed
	stuck    error         // names the services that are not gone; read it after drained

	began      time.Time
	complainAt atomic.Int64 // when complain may log again, in nanoseconds after began
}

// NewServer returns a Server that serves at most maxConns clients at once. It calls allow once for
// each connection, right after accept.
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

// Serve answers clients on l until Shutdown has ended all services and every client that asked for
// it has its reply. It returns the result of Shutdown.
func (s *Server) Serve(l *net.TCPListener) error {
	go s.wake(l)
	s.accept(l)
	s.acceptLate(l)
	l.Close()
	close(s.closed)
	s.clients.endSoon()
	s.refused.endSoon()
	s.handlers.Wait()
	return s.stuck
}

// Shutdown ends all services and then Serve. The first call logs why and does it. Every call
// returns when the services are gone. The error names the services that are not.
func (s *Server) Shutdown(why string) error {
	s.shutdown.Do(func() {
		s.log.Print(why)
		close(s.ending)
		s.stuck = s.services.Shutdown()
		close(s.drained)
	})
	<-s.drained
	return s.stuck
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

// accept takes clients until all services are gone. If AcceptTCP fails, most often because no
// descriptor is free, accept closes silent clients and tries again after a pause.
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

// acceptLate takes the clients that are in the queue when the services are gone, or come right
// after that. Most likely they ask for a shutdown too, and closing the listener would reset them.
// It ends when none came in lateGaps gaps in a row. One long gap could pass while the process is
// paused.
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
	for range crowdTries { // a place may become free in a moment
		if c := s.clients.add(conn, user, lineTimeout); c != nil {
			s.handlers.Go(func() { s.serve(c) })
			return
		}
		time.Sleep(time.Millisecond)
	}
	s.refuse(conn, errCrowded)
}

// refuse sends the reply before it reads anything. It does not block, because a new socket has room
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
		if c.linger() { // a client that sent nothing only tried the port
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
	if more || !reply.OK { // after an error, more bytes may come
		c.patience(lingerTimeout)
		c.linger()
	}
}

// linger ends the reply and reads on until the client hangs up. Closing a connection with unread
// input would reset it, and the client might lose the reply. linger reports whether it read
// anything. Thousands may linger at once, so the buffer is small, and each yields after each read.
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

// complain logs an error that clients can cause, at most once a second.
func (s *Server) complain(format string, args ...any) {
	now, next := int64(time.Since(s.began)), s.complainAt.Load()
	if now >= next && s.complainAt.CompareAndSwap(next, now+int64(time.Second)) {
		s.log.Printf(format, args...)
	}
}
