//go:build !unix

package systemd

import "net"

// accepts returns true. No manager hands over sockets on this system.
func accepts(*net.TCPListener) bool { return true }
