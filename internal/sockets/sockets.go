// Package sockets tells whose a TCP socket on this machine is: which user is at the
// other end of a connection, and which process listens on a port. Only Linux
// says so; elsewhere every question is answered with ErrUnknown or nothing.
package sockets

import (
	"errors"
	"fmt"
)

var (
	// ErrUnknown is returned where the system does not tell.
	ErrUnknown = errors.New("the system does not tell whose a socket is")
	// ErrClosed is returned for a connection whose client has closed it
	// already: the kernel shows its end without an owner, as user 0.
	ErrClosed = errors.New("the client closed its end before it could be identified")
)

// A Holder is a process that listens on a port or, with PID 0, a connection that has it for its own end.
type Holder struct {
	PID     int
	Command string
}

// String is "pid 49 (caddy)".
func (h Holder) String() string {
	if h.PID == 0 {
		return "a connection (the system gives such ports away: choose one outside of its ip_local_port_range)"
	}
	return fmt.Sprintf("pid %d (%s)", h.PID, h.Command)
}
