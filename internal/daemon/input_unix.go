//go:build unix

package daemon

import "syscall"

// Read is TCPConn.Read, and notes that c is silent until input has arrived. It takes the input from
// the kernel only after that, so makeRoom cannot close c in between and lose its line.
func (c *client) Read(p []byte) (int, error) {
	c.setSilent(true)
	raw, err := c.SyscallConn()
	if err == nil {
		err = raw.Read(hasInput)
	}
	c.setSilent(false)
	if err != nil {
		return 0, err
	}
	return c.TCPConn.Read(p)
}

// hasInput reports whether bytes, the end of input or an error have arrived and were not read.
func (c *client) hasInput() (yes bool) {
	if raw, err := c.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) { yes = hasInput(fd) })
	}
	return yes
}

func hasInput(fd uintptr) bool {
	_, _, err := syscall.Recvfrom(int(fd), make([]byte, 1), syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	return err != syscall.EAGAIN
}
