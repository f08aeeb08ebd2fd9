//go:build !unix

package daemon

// Read is TCPConn.Read, and notes that c is silent meanwhile.
func (c *client) Read(p []byte) (int, error) {
	c.setSilent(true)
	defer c.setSilent(false)
	return c.TCPConn.Read(p)
}

// hasInput returns false, because it cannot know. A client may lose its place just when its line
// arrives.
func (c *client) hasInput() bool { return false }
