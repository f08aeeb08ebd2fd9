//go:build !windows

package health

import "syscall"

const (
	errnoRefused = syscall.ECONNREFUSED
	errnoReset   = syscall.ECONNRESET
	errnoPipe    = syscall.EPIPE
)

// shortages are what the daemon itself may lack for a probe.
var shortages = []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EADDRNOTAVAIL}

// abortive has a socket reset when it is closed, which leaves no TIME_WAIT on either side, as load
// balancers do for their checks. It matters even before a service listens: while nobody listens on
// a port from which the system also picks local ports, a connection to it may be given the port
// itself, and reach itself. Package net notices, and closes it; with the usual way to close, the
// service could not listen on the port for the next minute.
func abortive(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) {
		syscall.SetsockoptLinger(int(fd), syscall.SOL_SOCKET, syscall.SO_LINGER, &syscall.Linger{Onoff: 1})
	})
}
