// Package sockets finds the owners of TCP sockets on this machine: the user at the other end of a
// connection, and the process that listens on a port. Only Linux tells. On other systems the
// functions return ErrUnknown or nothing.
package sockets

import (
	"errors"
	"fmt"
)

var (
	// ErrUnknown means that the system does not tell the owner of a socket.
	ErrUnknown = errors.New("the system does not tell the owner of a socket")
	// ErrClosed means that the client has closed its connection already. The kernel then shows its
	// socket without an owner, as user 0.
	ErrClosed = errors.New("the client closed its end before it could be identified")
)

// A Holder is a process that has a socket open.
type Holder struct {
	PID     int // 0: unknown
	Command string
}

// String returns "pid 49 (caddy)", or "another process".
func (h Holder) String() string {
	if h.PID == 0 {
		return "another process"
	}
	return fmt.Sprintf("pid %d (%s)", h.PID, h.Command)
}
