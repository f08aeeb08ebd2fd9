//go:build !windows

package health

import "syscall"

const (
	errnoRefused = syscall.ECONNREFUSED
	errnoReset   = syscall.ECONNRESET
	errnoPipe    = syscall.EPIPE
)

// shortages are the errors of a probe for which the daemon lacks something itself.
var shortages = []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EADDRNOTAVAIL}

// abortive makes a socket send RST when it is closed, as load balancers do for their checks. That
// leaves no TIME_WAIT on either side.
//
// It also matters before the service listens. The system may pick the service's port as the local
// port of the probe, whose connection then reaches itself. Package net notices that and closes the
// connection. A TIME_WAIT would then keep the service from its port for a minute.
func abortive(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) {
		syscall.SetsockoptLinger(int(fd), syscall.SOL_SOCKET, syscall.SO_LINGER, &syscall.Linger{Onoff: 1})
	})
}
