package daemon

import (
	"container/list"
	"net"
	"sync"
	"syscall"
	"time"
)

// reserve is how many places shrink takes away. A restart needs seven descriptors.
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
	silent *list.List // of *client, the longest silent first
	ending bool       // the server is ending: see patience
}

// A client is one connection with a place. leave closes both.
type client struct {
	*net.TCPConn
	raw    syscall.RawConn
	user   string        // such as "user 1000", or "" if that is unknown
	set    *clients      // where it has its place
	silent *list.Element // in set.silent, or nil
	closed bool          // its place was given away; set.mu guards this and silent
}

func newClients(most int) *clients {
	return &clients{most: most, places: most, open: make(map[*client]struct{}), silent: list.New()}
}

// add gives a newcomer a place, or returns nil if there is none. Only one goroutine may call it.
func (cs *clients) add(conn *net.TCPConn, user string, patience time.Duration) *client {
	raw, err := conn.SyscallConn()
	if err != nil || !cs.makeRoom() {
		return nil
	}
	c := &client{TCPConn: conn, raw: raw, user: user, set: cs}
	cs.mu.Lock()
	cs.open[c] = struct{}{}
	cs.setSilent(c, true)
	cs.mu.Unlock()
	c.patience(patience)
	return c
}

// makeRoom closes silent clients until a place is free. It reports whether a place is free.
func (cs *clients) makeRoom() bool {
	for {
		c, free := cs.takeSilent()
		if c == nil {
			return free
		}
		c.Close() // not under the lock, because it waits for Read
	}
}

// takeSilent takes away the place of the longest silent client, unless a place is free.
func (cs *clients) takeSilent() (c *client, free bool) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if len(cs.open) < cs.places {
		return nil, true
	}
	for e := cs.silent.Front(); e != nil; e = e.Next() {
		if c := e.Value.(*client); !hasInput(c.raw) {
			cs.remove(c)
			c.closed = true
			return c, false
		}
	}
	return nil, false
}

// remove takes away the place of c.
func (cs *clients) remove(c *client) {
	cs.setSilent(c, false)
	delete(cs.open, c)
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

// setSilent notes whether c is silent. The caller holds the lock.
func (cs *clients) setSilent(c *client, silent bool) {
	switch {
	case silent && c.silent == nil:
		c.silent = cs.silent.PushBack(c)
	case !silent && c.silent != nil:
		cs.silent.Remove(c.silent)
		c.silent = nil
	}
}

// patience sets the deadline of c for everything that it reads and writes from now on.
func (c *client) patience(d time.Duration) {
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
	cs.places = max(len(cs.open)-reserve, 2)
	cs.mu.Unlock()
	cs.makeRoom()
}

// endSoon shortens the deadline of each client to endTimeout, now and in later calls of patience.
func (cs *clients) endSoon() {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.ending = true
	for c := range cs.open {
		c.SetDeadline(time.Now().Add(endTimeout))
	}
}
