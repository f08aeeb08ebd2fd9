// Package daemon serves the protocol: it accepts connections, reads one line
// from each, has it carried out and writes one line back. A client can cost
// it neither more than a bounded amount of memory nor anybody else's time.
package daemon

import (
	"errors"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"zr/internal/protocol"
	"zr/internal/supervisor"
)

const (
	lineTimeout  = 60 * time.Second // for a complete line, as SPEC.md says
	writeTimeout = 10 * time.Second // for a client to take its reply, if it is longer than shortReply
	shortReply   = 2 << 10          // bytes that a socket with nothing else to send takes at once, on any system
	lingerMax    = time.Second      // for a client to end a request that was not read to its end
	lateGap      = time.Millisecond // after the last service is gone: for the next client that is just connecting
	lateWaits    = 10               // likewise: gaps in all
	lateCrowded  = 100              // likewise: gaps in which there are clients, but neither room nor descriptors for them
	lateMax      = 4096             // likewise: clients that are taken; the queue of a listener is no longer
	lateLines    = time.Second      // likewise: for the lines of those that are connected, and for taking a reply
	standing     = 2                // handlers that stay: a new one has to grow its stack first
)

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
	allow    func(net.Conn) error
	lines    *protocol.LineReader
	conns    *conns
	handlers sync.WaitGroup
	next     chan *conn // for standing handlers

	shutdown sync.Once
	ending   chan struct{} // closed when Shutdown begins
	drained  chan struct{} // closed when all services are gone
	closed   chan struct{} // closed when nobody listens any more
	left     error         // those that are not; read it after drained

	complained atomic.Int64 // when a connection error was logged last, in Unix nanoseconds
}

// NewServer returns a Server. allow is asked once about each connection, right after it was
// accepted; its error is the reply that the client gets whatever it asks.
// maxConns bounds the connections that are open at once.
func NewServer(services Services, logger *Logger, allow func(net.Conn) error, maxConns int) *Server {
	return &Server{
		services: services, log: logger, allow: allow,
		lines:   protocol.NewLineReader(),
		conns:   newConns(maxConns),
		next:    make(chan *conn),
		ending:  make(chan struct{}),
		drained: make(chan struct{}),
		closed:  make(chan struct{}),
	}
}

// Serve answers clients on l until Shutdown has ended all services, and
// everybody who asked for it has been told. It returns what Shutdown returns.
func (s *Server) Serve(l *net.TCPListener) error {
	go func() {
		<-s.drained
		l.SetDeadline(time.Unix(1, 0)) // ends accept
		s.conns.noMoreWaiting()
	}()
	for range standing {
		s.handlers.Go(func() {
			for c := range s.next {
				s.serve(c)
			}
		})
	}
	s.accept(l)
	s.acceptLate(l)
	l.Close()
	close(s.closed)
	close(s.next)
	s.conns.setEnding(lateLines)
	s.handlers.Wait()
	return s.left
}

// shutdownFor is Shutdown for a client: when it is told, the next daemon may have the port.
func (s *Server) shutdownFor() error {
	err := s.Shutdown()
	<-s.closed
	return err
}

// Shutdown ends all services and then Serve; the first call does it, all
// return when the services are gone. Its error names those that are not.
func (s *Server) Shutdown() error {
	s.shutdown.Do(func() {
		close(s.ending)
		s.left = s.services.Shutdown()
		close(s.drained)
	})
	<-s.drained
	return s.left
}

// Ending is closed when the first Shutdown begins.
func (s *Server) Ending() <-chan struct{} { return s.ending }

// accept returns when l's deadline has passed. What else accept meets passes
// too (no descriptors, most often): silent clients give way, and it waits, longer each time.
func (s *Server) accept(l *net.TCPListener) {
	var pause time.Duration
	for {
		s.conns.makeRoom()
		err := s.acceptOne(l)
		switch {
		case err == nil:
			pause = 0
		case ended(err):
			return
		default:
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			s.complain("accept error: %v", err)
			s.conns.retreat()
			time.Sleep(pause)
		}
	}
}

// acceptLate takes those who were connecting when the last service went, to
// ask for the same: to close on them would reset them. It ends when nobody was there for lateWaits
// gaps in all, which somebody who connects again and again does not put off.
func (s *Server) acceptLate(l *net.TCPListener) {
	for n, waits, crowded := 0, 0, 0; n < lateMax && waits < lateWaits && crowded < lateCrowded; n++ {
		if !s.conns.hasRoom() { // nor may it ever have, if all wait for the end of this
			time.Sleep(lateGap)
			crowded++
			continue
		}
		began := time.Now()
		l.SetDeadline(began.Add(lateGap))
		conn, err := l.AcceptTCP()
		if time.Since(began) >= lateGap/2 {
			waits++
		}
		switch {
		case err == nil:
			s.take(conn)
		case !ended(err):
			time.Sleep(lateGap)
			crowded++
		}
	}
}

// acceptOne needs room for a connection.
func (s *Server) acceptOne(l *net.TCPListener) error {
	conn, err := l.AcceptTCP()
	if err == nil {
		s.take(conn)
	}
	return err
}

func (s *Server) take(conn *net.TCPConn) {
	c := s.conns.add(conn, s.allow(conn))
	select {
	case s.next <- c:
	default: // all are busy, and may be for long
		s.handlers.Go(func() { s.serve(c) })
	}
}

func ended(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, net.ErrClosed)
}

// serve answers one connection and closes it.
func (s *Server) serve(c *conn) {
	defer s.conns.close(c)
	reply, clean := s.answer(c)
	if reply == nil {
		return
	}
	line := protocol.EncodeLine(reply)
	s.conns.replying(c, len(line))
	if _, err := c.Write(line); err != nil {
		s.complain("connection error: %v", err)
		return
	}
	if !clean { // to close on unread input would reset the connection, and could take the reply with it
		c.CloseWrite()
		s.conns.lingering(c)
		discard(c)
	}
}

// discard reads to the end in a small buffer: thousands of clients may have to be read out at
// once, and io.Discard takes 8 KiB for each.
func discard(c *conn) {
	var scrap [512]byte
	for {
		if _, err := c.Read(scrap[:]); err != nil {
			return
		}
	}
}

// answer reads a request and carries it out. clean means that the client has sent nothing that was
// not read. There is no reply to a client that has sent no line in time or has gone.
func (s *Server) answer(c *conn) (reply *protocol.Reply, clean bool) {
	line, more, err := s.lines.ReadLine(c)
	s.conns.hasSpoken(c)
	var r protocol.Reply
	switch {
	case errors.Is(err, protocol.ErrLineTooLong), errors.Is(err, protocol.ErrTooManyLong):
		r = invalid(err)
	case err != nil:
		return nil, false
	case c.refused != nil:
		if len(line) > 0 { // else it is somebody who looked whether the port is open
			s.complain("connection error: %v", c.refused)
		}
		r = refused(c.refused.Error())
	default:
		r = s.dispatch(line)
		return &r, r.OK && !more
	}
	return &r, false
}

// complain logs at most one line a second of what any client can cause.
func (s *Server) complain(format string, args ...any) {
	now, last := time.Now().UnixNano(), s.complained.Load()
	if now-last >= int64(time.Second) && s.complained.CompareAndSwap(last, now) {
		s.log.Printf(format, args...)
	}
}
