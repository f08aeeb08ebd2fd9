package daemon

import (
	"context"
	"time"
)

// Ping returns nil if the daemon works: the accept loop wakes up, and carries out a status request,
// for which it must get the supervisor's lock. Ping uses no connection, so it waits behind no
// client. It proves nothing about the kernel's queue of connections nor about single services. When
// all services are gone, it returns nil.
func (s *Server) Ping(ctx context.Context) error {
	done := make(chan struct{})
	pings := s.pings
	for {
		select {
		case pings <- done:
			pings = nil
			s.interrupt()
		case <-done:
			return nil
		case <-s.drained:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// interrupt makes the accept loop look at pings and drained.
func (s *Server) interrupt() { s.listener.SetDeadline(time.Unix(1, 0)) }

// interrupted carries out a Ping if there is one, and reports whether all services are gone.
func (s *Server) interrupted() bool {
	s.listener.SetDeadline(time.Time{}) // first, or it could undo an interrupt
	select {
	case done := <-s.pings:
		s.dispatch([]byte(`{"request":"status"}`), "")
		close(done)
	default:
	}
	select {
	case <-s.drained:
		return true
	default:
		return false
	}
}
