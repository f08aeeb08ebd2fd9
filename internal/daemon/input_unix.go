//go:build unix

package daemon

import (
	"io"
	"net"
	"syscall"
)

// Read is TCPConn.Read. Under the lock it takes bytes from the kernel and notes that c is not
// silent, so that makeRoom cannot close c in between and lose its line.
func (c *client) Read(p []byte) (n int, err error) {
	waitErr := c.raw.Read(func(fd uintptr) bool {
		c.set.mu.Lock()
		defer c.set.mu.Unlock()
		if c.closed {
			err = net.ErrClosed
			return true
		}
		n, err = syscall.Read(int(fd), p)
		c.set.setSilent(c, err == syscall.EAGAIN)
		return err != syscall.EAGAIN
	})
	switch {
	case waitErr != nil:
		return 0, waitErr
	case err != nil:
		return 0, err
	case n == 0:
		return 0, io.EOF
	}
	return n, nil
}

// hasInput reports whether bytes, the end of input or an error have arrived and were not read.
func hasInput(raw syscall.RawConn) (yes bool) {
	raw.Control(func(fd uintptr) {
		_, _, err := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		yes = err != syscall.EAGAIN
	})
	return yes
}
