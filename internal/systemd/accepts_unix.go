//go:build unix

package systemd

import (
	"net"
	"syscall"
)

// accepts reports whether l is a listener. Package net also makes a TCPListener of a connection.
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
