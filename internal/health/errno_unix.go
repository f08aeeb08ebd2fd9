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

// closeWrite ends the service's input.
func closeWrite(fd uintptr) { syscall.Shutdown(int(fd), syscall.SHUT_WR) }

// abort makes a socket send RST when it is closed.
func abort(fd uintptr) {
	syscall.SetsockoptLinger(int(fd), syscall.SOL_SOCKET, syscall.SO_LINGER, &syscall.Linger{Onoff: 1})
}
