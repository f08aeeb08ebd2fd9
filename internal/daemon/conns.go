package daemon

import (
	"container/list"
	"net"
	"sync"
	"time"
)

// reserve is how many descriptors clients give back when there are none left: one restart
// takes seven for a moment.
const reserve = 10

// conns is the set of open connections. When it is full, the connection
// that has been silent for longest gives way: a client that means it sends its
// line at once.
//
// A ping sets no timer of the runtime's, which would wake a thread that waits for the next one: one
// timer serves all who are silent, and a short reply needs none.
type conns struct {
	full int // the limit at rest

	mu       sync.Mutex
	max      int        // the limit now
	room     *sync.Cond // there may be room
	waitless bool       // nobody waits for room any more
	open     map[*conn]struct{}
	silent   *list.List    // of *conn: those whose line has not come yet, oldest first
	timed    bool          // expire will be called
	ending   time.Duration // bounds every time-out once the server ends; 0: it does not
}

type conn struct {
	*net.TCPConn
	refused error // the only reply that this client gets
	since   time.Time
	silent  *list.Element // nil once it has spoken, or has been cut short
}

func newConns(max int) *conns {
	c := &conns{full: max, max: max, open: make(map[*conn]struct{}), silent: list.New()}
	c.room = sync.NewCond(&c.mu)
	return c
}

// add takes a new connection, which has lineTimeout to say its line.
func (cs *conns) add(tcp *net.TCPConn, refused error) *conn {
	c := &conn{TCPConn: tcp, refused: refused, since: time.Now()}
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.open[c] = struct{}{}
	c.silent = cs.silent.PushBack(c)
	if !cs.timed {
		cs.timed = true
		time.AfterFunc(lineTimeout, cs.expire)
	}
	return c
}

// expire cuts short those who have had their time, and comes back for the next.
func (cs *conns) expire() {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for oldest := cs.silent.Front(); oldest != nil; oldest = cs.silent.Front() {
		if left := lineTimeout - time.Since(oldest.Value.(*conn).since); left > 0 {
			time.AfterFunc(left, cs.expire)
			return
		}
		cs.cutShort(oldest)
	}
	cs.timed = false
}

// cutShort ends the wait for a client's line; its handler closes it.
func (cs *conns) cutShort(silent *list.Element) {
	c := cs.silent.Remove(silent).(*conn)
	c.silent = nil
	c.SetReadDeadline(time.Unix(1, 0))
}

// makeRoom returns when one more connection fits, or after noMoreWaiting.
func (cs *conns) makeRoom() {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for !cs.fits() && !cs.waitless {
		cs.room.Wait()
	}
}

// hasRoom tells whether one more connection fits.
func (cs *conns) hasRoom() bool {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	return cs.fits()
}

// fits has the one that is silent for longest give way if there is no room.
func (cs *conns) fits() bool {
	if len(cs.open) < cs.max {
		return true
	}
	if oldest := cs.silent.Front(); oldest != nil {
		cs.cutShort(oldest)
	}
	return false
}

// noMoreWaiting ends makeRoom: those who are there may be waiting for just that.
func (cs *conns) noMoreWaiting() {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.waitless = true
	cs.room.Broadcast()
}

func (cs *conns) hasSpoken(c *conn) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if c.silent != nil {
		cs.silent.Remove(c.silent)
		c.silent = nil
	}
}

func (cs *conns) close(c *conn) {
	cs.hasSpoken(c)
	c.Close()
	cs.mu.Lock()
	defer cs.mu.Unlock()
	delete(cs.open, c)
	if len(cs.open) == 0 {
		cs.max = cs.full
	}
	cs.room.Signal()
}

// retreat lowers the limit, until everybody has gone, so that a few descriptors
// are left for what is not a client: a restart, a probe. Two places stay: for one that is served, and
// for one that is accepted, which would be cut short for the next.
func (cs *conns) retreat() {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.max = max(len(cs.open)-reserve, 2)
}

// replying bounds the wait for a client to take its reply.
func (cs *conns) replying(c *conn, size int) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if size > shortReply || cs.ending > 0 {
		cs.bound(c, writeTimeout)
	}
}

// lingering bounds the wait for a client to end what it sends.
func (cs *conns) lingering(c *conn) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.bound(c, lingerMax)
}

// bound gives c d for what it does next, or what setEnding left.
func (cs *conns) bound(c *conn, d time.Duration) {
	if cs.ending > 0 {
		d = min(d, cs.ending)
	}
	c.SetDeadline(time.Now().Add(d))
}

// setEnding leaves everybody d for what they are doing, and for each further thing.
func (cs *conns) setEnding(d time.Duration) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	cs.ending = d
	for c := range cs.open {
		c.SetDeadline(time.Now().Add(d))
	}
}
