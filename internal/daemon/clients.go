package daemon

import (
	"net"
	"slices"
	"sync"
	"time"
)

// reserve is the number of places that shrink takes away. A restart needs seven descriptors.
const reserve = 10

// clients is a set of clients with a limited number of places.
//
//   - A newcomer gets a place while one is free.
//   - If none is free, the client that has been silent for longest is closed and loses its place.
//   - A client is silent while the daemon waits for its bytes and none have arrived. So a client
//     whose line has arrived, or that waits for its reply, keeps its place.
//   - If no client is silent, there is no place for the newcomer.
type clients struct {
	mu     sync.Mutex
	most   int // the number of places
	places int // most, or less after shrink
	open   map[*client]struct{}
	silent []*client // the longest silent first; input may have arrived from some
	ending bool      // the server is ending: see expireIn
}

// A client is one connection with a place. leave closes both.
type client struct {
	*net.TCPConn
	set *clients // where it has its place
}

func newClients(most int) *clients {
	return &clients{most: most, places: most, open: make(map[*client]struct{})}
}

// add gives a newcomer a place, or returns nil if there is none.
func (cs *clients) add(conn *net.TCPConn) *client {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if !cs.makeRoom() {
		return nil
	}
	c := &client{conn, cs}
	cs.open[c] = struct{}{}
	cs.silent = append(cs.silent, c)
	return c
}

// makeRoom closes silent clients until a place is free, and reports whether one is free. The caller
// holds the lock.
func (cs *clients) makeRoom() bool {
	for i := 0; len(cs.open) >= cs.places && i < len(cs.silent); {
		if c := cs.silent[i]; c.hasInput() {
			i++
		} else {
			cs.remove(c)
			c.Close()
		}
	}
	return len(cs.open) < cs.places
}

// remove takes away the place of c. The caller holds the lock.
func (cs *clients) remove(c *client) {
	delete(cs.open, c)
	cs.silent = slices.DeleteFunc(cs.silent, func(s *client) bool { return s == c })
	if len(cs.open) == 0 {
		cs.places = cs.most
	}
}

// leave closes the connection and frees its place.
func (c *client) leave() {
	c.set.mu.Lock()
	c.set.remove(c)
	c.set.mu.Unlock()
	c.Close()
}

// setSilent notes whether c is silent, if it still has its place.
func (c *client) setSilent(silent bool) {
	cs := c.set
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if _, ok := cs.open[c]; !ok {
		return
	}
	i := slices.Index(cs.silent, c)
	switch {
	case silent && i < 0:
		cs.silent = append(cs.silent, c)
	case !silent && i >= 0:
		cs.silent = slices.Delete(cs.silent, i, i+1)
	}
}

// expireIn sets the deadline of c for everything that it reads and writes from now on.
func (c *client) expireIn(d time.Duration) {
	c.set.mu.Lock()
	defer c.set.mu.Unlock()
	if c.set.ending {
		d = min(d, endTimeout)
	}
	c.SetDeadline(time.Now().Add(d))
}

// shrink lowers the number of places until all clients have left, so that restarts and probes find
// descriptors. Two places stay.
func (cs *clients) shrink() {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.places = max(len(cs.open)-reserve, 2)
	cs.makeRoom()
}

// endSoon shortens the deadline of each client to endTimeout, now and in later calls of expireIn.
func (cs *clients) endSoon() {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.ending = true
	for c := range cs.open {
		c.SetDeadline(time.Now().Add(endTimeout))
	}
}
