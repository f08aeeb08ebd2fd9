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
	"time"

	"zr/internal/protocol"
	"zr/internal/supervisor"
)

const (
	lineTimeout   = 60 * time.Second      // for a complete line
	writeTimeout  = 10 * time.Second      // for a client to take its reply
	lingerTimeout = time.Second           // for a client to hang up after its reply
	lingerMost    = 4 << 20               // bytes that are read meanwhile
	endTimeout    = time.Second           // instead of each of these once the server ends
	crowdTries    = 50                    // milliseconds that a newcomer waits for a place
	refusedPlaces = 32                    // for refused clients that have not hung up yet
	acceptPause   = 20 * time.Millisecond // after a failed accept
	lateGap       = time.Millisecond      // see acceptLate
	lateGaps      = 10
	lateMost      = time.Second
)

// Services is the part of *supervisor.Supervisor that the server needs.
type Services interface {
	Start(name string) (int, error)
	Stop(name string) error
	Status() []supervisor.Info
	Shutdown() error
}

// A Server serves one listener.
type Server struct {
	listener *net.TCPListener
	services Services
	log      *Logger
	allow    Judge
	lines    *protocol.LineReader
	clients  *clients
	refused  *clients // clients that have got their only reply and need only hang up
	handlers sync.WaitGroup
	pings    chan chan struct{} // holds at most one; the accept loop closes what Ping sends

	shutdown sync.Once
	ending   chan struct{} // closed when Shutdown begins
	drained  chan struct{} // closed when all services are gone
	closed   chan struct{} // closed when the listener is closed
	result   error         // of Shutdown; read it after drained
}

// NewServer returns a Server that serves at most maxConns clients of l at once. It calls allow once
// for each connection, right after accept.
func NewServer(
	l *net.TCPListener, services Services, logger *Logger, allow Judge, maxConns int,
) *Server {
	return &Server{
		listener: l, services: services, log: logger, allow: allow,
		lines:   protocol.NewLineReader(),
		clients: newClients(maxConns),
		refused: newClients(min(max(maxConns/8, 1), refusedPlaces)),
		pings:   make(chan chan struct{}, 1),
		ending:  make(chan struct{}),
		drained: make(chan struct{}),
		closed:  make(chan struct{}),
	}
}

// Serve answers clients until Shutdown has ended all services and every client that asked for it
// has its reply. It returns the result of Shutdown.
func (s *Server) Serve() error {
	s.accept()
	s.acceptLate()
	s.listener.Close()
	close(s.closed)
	s.clients.endSoon()
	s.refused.endSoon()
	s.handlers.Wait()
	return s.result
}

// Shutdown ends all services and then Serve. The first call logs why and does it. Every call
// returns when the services are gone and the port is free. The error names the services that are
// not gone.
func (s *Server) Shutdown(why string) error {
	s.shutdown.Do(func() {
		s.log.Print(why)
		close(s.ending)
		s.result = s.services.Shutdown()
		close(s.drained)
		s.interrupt()
	})
	<-s.closed
	return s.result
}

// Ending is closed when the first Shutdown begins.
func (s *Server) Ending() <-chan struct{} { return s.ending }

// accept takes clients until all services are gone.
func (s *Server) accept() {
	for {
		err := s.acceptOne()
		if errors.Is(err, os.ErrDeadlineExceeded) && s.interrupted() {
			return
		}
	}
}

// acceptLate takes the clients that are in the queue when the services are gone, or come right
// after that. Most likely they ask for a shutdown too, and closing the listener would reset them.
// It ends when none came in lateGaps gaps in a row. One long gap could pass while the process is
// paused.
func (s *Server) acceptLate() {
	end := time.Now().Add(lateMost)
	for quiet := 0; quiet < lateGaps && time.Now().Before(end); {
		s.listener.SetDeadline(time.Now().Add(lateGap))
		if s.acceptOne() == nil {
			quiet = 0
		} else {
			quiet++
		}
	}
}

// acceptOne takes one client. If AcceptTCP fails, most often because no descriptor is free,
// acceptOne closes silent clients and pauses. The error may be the listener's deadline.
func (s *Server) acceptOne() error {
	conn, err := s.listener.AcceptTCP()
	switch {
	case err == nil:
		s.take(conn)
	case !errors.Is(err, os.ErrDeadlineExceeded):
		s.log.Complainf("accept error: %v", err)
		s.clients.shrink()
		time.Sleep(acceptPause)
	}
	return err
}

// take gives a new connection a place and a handler, or refuses it.
func (s *Server) take(conn *net.TCPConn) {
	user, err := s.allow(conn)
	if err != nil {
		s.refuse(conn, err)
		return
	}
	for range crowdTries { // a place may become free in a moment
		if c := s.clients.add(conn); c != nil {
			s.handlers.Go(func() { s.serve(c, user) })
			return
		}
		time.Sleep(time.Millisecond)
	}
	s.refuse(conn, errors.New("too many clients are connected"))
}

// refuse sends the reply before it reads anything. It does not block, because a new socket has room
// for a line. The client keeps one of the few places in refused until it hangs up, so that the
// reply is not lost.
func (s *Server) refuse(conn *net.TCPConn, why error) {
	conn.SetDeadline(time.Now().Add(lingerTimeout))
	conn.Write(protocol.EncodeLine(refused(why.Error())))
	c := s.refused.add(conn)
	if c == nil {
		conn.Close()
		return
	}
	s.handlers.Go(func() {
		defer c.leave()
		if c.linger() { // a client that sent nothing only tried the port
			s.log.Complainf("connection error: %v", why)
		}
	})
}

// serve answers one client and closes the connection. There is no reply to a client that sends no
// line in time or hangs up.
func (s *Server) serve(c *client, user string) {
	defer c.leave()
	c.expireIn(lineTimeout)
	line, more, err := s.lines.ReadLine(c)
	var reply protocol.Reply
	switch {
	case err == nil:
		reply = s.dispatch(line, user)
	case errors.Is(err, protocol.ErrLineTooLong), errors.Is(err, protocol.ErrTooManyLong):
		reply = invalid(err)
	default:
		return
	}
	c.expireIn(writeTimeout)
	if _, err := c.Write(protocol.EncodeLine(reply)); err != nil {
		s.log.Complainf("connection error: %v", err)
		return
	}
	if more || !reply.OK { // after an error, more bytes may come
		c.expireIn(lingerTimeout)
		c.linger()
	}
}

// linger ends the reply and reads on until the client hangs up. Closing a connection with unread
// input would reset it, and the client might lose the reply. linger reports whether it read
// anything. Thousands may linger at once, so the buffer is small, and each yields after each read.
func (c *client) linger() bool {
	c.CloseWrite()
	var scrap [512]byte
	for total := 0; total < lingerMost; {
		n, err := c.Read(scrap[:])
		total += n
		if err != nil {
			return total > 0
		}
		runtime.Gosched()
	}
	return true
}
