//go:build !unix

package systemd

import "net"

// Listener returns nil. No manager hands over sockets on this system.
func Listener() (*net.TCPListener, error) { return nil, nil }
