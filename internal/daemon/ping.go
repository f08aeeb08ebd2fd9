package daemon

import (
	"context"
	"net"
	"time"
)

// Ping returns nil if the daemon works: the accept loop wakes up, for which the runtime's poller
// must work, and carries out a status request, for which it must get the supervisor's lock. Ping
// uses no connection, so it waits behind no client. It proves nothing about the kernel's queue of
// connections nor about single services. When all services are gone, it returns nil.
func (s *Server) Ping(ctx context.Context) error {
	done := make(chan struct{})
	select {
	case s.pings <- done:
	case <-s.drained:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-done:
	case <-s.drained:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// wake interrupts the accept loop for each Ping, and when all services are gone.
func (s *Server) wake(l *net.TCPListener) {
	for {
		select {
		case done := <-s.pings:
			s.woken <- done
			l.SetDeadline(time.Unix(1, 0))
		case <-s.drained:
			l.SetDeadline(time.Unix(1, 0))
			return
		}
	}
}

// interrupted runs in the accept loop after wake. It carries out a Ping, and reports whether all
// services are gone.
func (s *Server) interrupted(l *net.TCPListener) bool {
	l.SetDeadline(time.Time{}) // before drained is read, or it could undo the deadline that wake sets
	select {
	case done := <-s.woken:
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
