//go:build unix

package systemd

import (
	"net"
	"syscall"
)

// accepts tells a listener from a connection: package net takes both for the former.
func accepts(l *net.TCPListener) bool {
	conn, err := l.SyscallConn()
	if err != nil {
		return false
	}
	yes := 0
	err = conn.Control(func(fd uintptr) {
		yes, _ = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_ACCEPTCONN)
	})
	return err == nil && yes != 0
}
