//go:build unix

package health

import "syscall"

// abortive has a socket end without a trace when it is closed. While nobody listens on a port
// from which the system also picks the local ports of connections, a connection to it may be
// given the port itself, and reach itself; package net notices, and closes it. With the usual
// way to close, the port would then be taken for the next minute, and the service that is
// about to listen there could not.
func abortive(_, _ string, c syscall.RawConn) error {
	return c.Control(func(fd uintptr) {
		syscall.SetsockoptLinger(int(fd), syscall.SOL_SOCKET, syscall.SO_LINGER, &syscall.Linger{Onoff: 1})
	})
}
