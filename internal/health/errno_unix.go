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

// closeWrite ends the service's input, unless the service has just hung up: it would then keep the
// connection in TIME_WAIT.
func closeWrite(fd uintptr) {
	_, _, err := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	if err == syscall.EAGAIN {
		syscall.Shutdown(int(fd), syscall.SHUT_WR)
	}
}

// abort makes a socket send RST when it is closed.
func abort(fd uintptr) {
	syscall.SetsockoptLinger(int(fd), syscall.SOL_SOCKET, syscall.SO_LINGER, &syscall.Linger{Onoff: 1})
}
