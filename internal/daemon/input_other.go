//go:build !unix

package daemon

import "syscall"

// Read is TCPConn.Read, and notes that c is silent meanwhile.
func (c *client) Read(p []byte) (int, error) {
	c.noteSilent(true)
	defer c.noteSilent(false)
	return c.TCPConn.Read(p)
}

func (c *client) noteSilent(silent bool) {
	c.set.mu.Lock()
	defer c.set.mu.Unlock()
	if !c.closed {
		c.set.setSilent(c, silent)
	}
}

// hasInput returns false, because it cannot know. A client may lose its place just when its line
// arrives.
func hasInput(syscall.RawConn) bool { return false }
