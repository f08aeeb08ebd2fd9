//go:build !linux

package sockets

import (
	"errors"
	"fmt"
	"net"
	"syscall"
)

// Supported reports whether this system tells the owners of sockets.
const Supported = false

// A Table knows nothing on this system.
type Table struct{}

func Open() *Table { return &Table{} }

func (*Table) PeerUID(net.Conn) (uint32, error) { return 0, ErrUnknown }

// IsForeign returns false: unknown.
func IsForeign(*net.TCPListener) bool { return false }

// Listener returns ErrUnknown.
func (*Table) Listener(int) (uint32, error) { return 0, ErrUnknown }

// Blocker reports whether the port is in use. The holder is unknown. The BSDs and Windows let a
// socket listen on 127.0.0.1 beside one on all addresses, so Blocker listens on both for a moment.
func (*Table) Blocker(port int) (Holder, bool) {
	const wsaEADDRINUSE = syscall.Errno(10048) // of Windows, which never returns EADDRINUSE
	for _, host := range []string{"127.0.0.1", ""} {
		l, err := net.Listen("tcp4", fmt.Sprintf("%s:%d", host, port))
		if errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, wsaEADDRINUSE) {
			return Holder{}, true
		}
		if err == nil {
			l.Close()
		}
	}
	return Holder{}, false
}

// Holder finds no process.
func (*Table) Holder(uint32) (Holder, bool) { return Holder{}, false }

// Held is never sure.
func (*Table) Held(uint32, ...int) (held, sure bool) { return false, false }
