package health

import "syscall"

// Windows returns these (WSAECONNREFUSED and so on). It never returns the values that package
// syscall has under the Unix names.
const (
	errnoRefused = syscall.Errno(10061)
	errnoReset   = syscall.Errno(10054)
	errnoPipe    = syscall.Errno(10053) // WSAECONNABORTED
)

// shortages are the errors of a probe for which the daemon lacks something itself: WSAEMFILE,
// WSAENOBUFS, WSAEADDRNOTAVAIL.
var shortages = []error{syscall.Errno(10024), syscall.Errno(10055), syscall.Errno(10049)}

func closeWrite(fd uintptr) { syscall.Shutdown(syscall.Handle(fd), syscall.SHUT_WR) }

func abort(fd uintptr) {
	syscall.SetsockoptLinger(syscall.Handle(fd), syscall.SOL_SOCKET, syscall.SO_LINGER, &syscall.Linger{Onoff: 1})
}
