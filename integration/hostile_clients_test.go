//go:build linux

package integration

import (
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

const (
	memoryLimit = 64 << 20
	floodTime   = 2 * time.Second
)

// An attack opens connections and misuses them. It returns while they are open.
type attack struct {
	name string
	do   func(*crowd)
}

// A crowd has the connections of an attack.
type crowd struct {
	t     *testing.T
	addr  string
	size  int
	ended chan struct{} // closed when the crowd leaves
	busy  sync.WaitGroup

	mu   sync.Mutex
	open []net.Conn
}

// dial connects. It may fail: the daemon may refuse these clients.
func (c *crowd) dial() net.Conn {
	conn, err := net.Dial("tcp", c.addr)
	if err != nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open = append(c.open, conn)
	return conn
}

// all makes n connections and sends the same on each.
func (c *crowd) all(n int, line string) {
	workers(32, n, func(int) {
		if conn := c.dial(); conn != nil {
			io.WriteString(conn, line)
		}
	})
}

// repeat repeats do for each connection until the crowd leaves.
func (c *crowd) repeat(pause time.Duration, do func(net.Conn) error) {
	for _, conn := range c.open {
		c.busy.Go(func() {
			for do(conn) == nil {
				select {
				case <-c.ended:
					return
				case <-time.After(pause):
				}
			}
		})
	}
}

func (c *crowd) leave() {
	close(c.ended)
	for _, conn := range c.open {
		conn.Close()
	}
	c.busy.Wait()
}

var attacks = []attack{
	{"silent", func(c *crowd) { c.all(c.size, "") }},
	{"half a line", func(c *crowd) { c.all(c.size, `{"request":"shut`) }},
	{"long half lines", func(c *crowd) { c.all(c.size, `{"request":"`+strings.Repeat("x", 60<<10)) }},
	{"endless lines", func(c *crowd) {
		c.all(c.size/10, "")
		piece := []byte(strings.Repeat("x", 16<<10))
		c.repeat(0, func(conn net.Conn) error {
			_, err := conn.Write(piece)
			return err
		})
	}},
	{"one byte a second", func(c *crowd) {
		c.all(c.size/2, "")
		c.repeat(time.Second, func(conn net.Conn) error {
			_, err := conn.Write([]byte(" "))
			return err
		})
	}},
	{"no requests, stay connected", func(c *crowd) { c.all(c.size, "no request\n") }},
	{"never read", func(c *crowd) {
		c.all(c.size, `{"request":"`+strings.Repeat("x", 3<<10)+"\"}\n")
		c.all(c.size/10, `{"request":"`+strings.Repeat("x", 60<<10)+"\"}\n")
	}},
	{"long lines", func(c *crowd) { c.all(c.size, `{"request":"`+strings.Repeat("x", 60<<10)+"\"}\n") }},
	{"connect and close", func(c *crowd) {
		for range 16 {
			c.busy.Go(func() {
				for end := time.Now().Add(floodTime); time.Now().Before(end); {
					if conn, err := net.Dial("tcp", c.addr); err == nil {
						conn.Close()
					}
				}
			})
		}
	}},
}

// Whatever clients do, the daemon serves a good client in bounded memory, and later has as many
// descriptors as before. The attacks come one after the other, because each needs thousands of
// descriptors.
func TestHostileClients(t *testing.T) {
	t.Parallel()
	needFiles(t, 500)
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) { survive(t, a) })
	}
}

// crowdSize returns 5,000, or fewer if this process may not have as many descriptors.
func crowdSize(t *testing.T) int {
	size := 5000
	if raceEnabled || testing.Short() {
		size = 500
	}
	if room := int(maxFiles() / 4); room < size {
		t.Logf("only %d connections instead of %d: this process may have %d descriptors", room, size, maxFiles())
		size = room
	}
	return size
}

// targetDaemon starts a daemon with one service.
func targetDaemon(t *testing.T) *Daemon {
	h := newHome(t)
	port := h.Install("kv", Behaviour{})
	d := startDaemon(t, h, "-health-interval", "1h") // the descriptor of a check would look like a leak
	d.MustStart("kv", port)
	d.MustPing()
	return d
}

// restingDescriptors returns how many descriptors the daemon has when it has closed the connections
// of earlier requests.
func restingDescriptors(t testing.TB, d *Daemon) int {
	least := descriptors(t, d.Pid())
	for range 20 {
		time.Sleep(5 * time.Millisecond)
		least = min(least, descriptors(t, d.Pid()))
	}
	return least
}

func survive(t *testing.T, a attack) {
	d := targetDaemon(t)
	rest := restingDescriptors(t, d)
	began := time.Now()
	c := &crowd{t: t, addr: d.Addr, size: crowdSize(t), ended: make(chan struct{})}
	pings := startPings(d)
	a.do(c)
	times := pings.stop(100)
	c.leave()
	eventually(t, "descriptors as at rest", func() bool { return descriptors(t, d.Pid()) <= rest })
	peak := peakMemory(t, d.Pid())
	t.Logf("%d connections; %d pings, median %v, 90%% within %v; at most %.1f MiB", len(c.open), len(times),
		times[len(times)/2], times[len(times)*9/10], float64(peak)/(1<<20))
	if n, most := strings.Count(d.Log.String(), "\n"), 10+3*int(time.Since(began).Seconds()); n > most {
		t.Errorf("%d lines in the log", n)
	}
	if peak > memoryLimit && !raceEnabled {
		t.Errorf("the daemon had %d MiB", peak>>20)
	}
}

// pings is a good client, which pings every few milliseconds.
type pings struct {
	d       *Daemon
	ended   chan int // how many pings to add
	done    chan struct{}
	samples []time.Duration
}

func startPings(d *Daemon) *pings {
	p := &pings{d: d, ended: make(chan int, 1), done: make(chan struct{})}
	go func() {
		defer close(p.done)
		for more := -1; more != 0; {
			select {
			case more = <-p.ended:
			case <-time.After(5 * time.Millisecond):
			}
			p.one()
			if more > 0 {
				more--
			}
		}
	}()
	return p
}

func (p *pings) one() {
	began := time.Now()
	answer, err := ask(p.d.Addr, `{"request":"ping"}`+"\n")
	if err != nil || answer != okLine {
		p.d.t.Errorf("a ping of a good client: %q, %v", answer, err)
	}
	p.samples = append(p.samples, time.Since(began))
}

// stop makes more pings, and returns the times of all, sorted.
func (p *pings) stop(more int) []time.Duration {
	p.ended <- more
	<-p.done
	slices.Sort(p.samples)
	return p.samples
}
