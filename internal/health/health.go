// Package health probes a service once. The supervisor decides when to probe and what follows.
package health

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"syscall"
	"time"
)

const (
	// After the verdict, and after each further piece within the timeout, a service may take this
	// long to end its reply. If the connection were closed earlier, the service's next write would
	// fail with EPIPE.
	lingerTime = time.Second
	// A service that has sent as much as its Content-Length says may take this long to hang up.
	hangUpTime = 20 * time.Millisecond

	// The time of a probe is counted in steps. A step that ends more than late too late is not
	// counted: the daemon or the machine was paused.
	step = 250 * time.Millisecond
	late = 500 * time.Millisecond
)

var (
	// ErrNoVerdict means that the probe says nothing about the service: the daemon lacked
	// descriptors, memory or local ports, or it was paused.
	ErrNoVerdict = errors.New("cannot probe")
	// ErrRefused means that no process listens on the port.
	ErrRefused = errors.New("connection refused")
)

// A Probe is one request to a service, which is healthy if it replies with status code 200 in time.
// One goroutine calls Poll until the verdict is known, or calls Wait.
//
// The connection stays open until the service has sent its reply, for a second after the verdict
// and for another second after each piece that comes within the timeout. Then it is reset, so that
// the service does not keep it in TIME_WAIT.
type Probe struct {
	port    int
	path    string
	timeout time.Duration

	conn     io.ReadWriteCloser // its methods return EAGAIN instead of waiting, until block is called
	blocking deadliner          // conn after block was called
	unsent   []byte             // the rest of the request
	err      error              // why the request could not be sent
	reply    reply
	left     time.Duration // how long blocking operations may still take
	renew    time.Time     // until then, each piece of the reply sets left to lingerTime

	known   bool  // verdict is set
	verdict error // nil if the service is healthy
}

type deadliner interface {
	io.ReadWriteCloser
	syscall.Conn
	SetDeadline(time.Time) error
}

// Start connects to 127.0.0.1:port and sends GET path. It does not wait.
func Start(port int, path string, timeout time.Duration) *Probe {
	p := &Probe{port: port, path: path, timeout: timeout, left: timeout}
	p.unsent = []byte("GET " + path + " HTTP/1.0\r\nHost: 127.0.0.1:" + strconv.Itoa(port) + "\r\nConnection: close\r\n\r\n")
	if p.conn, p.err = connect(port); p.conn != nil {
		p.send(p.conn)
	}
	return p
}

// Poll reports whether the verdict is known, and returns it: nil if the service is healthy. It does
// not wait.
func (p *Probe) Poll() (known bool, verdict error) {
	canPoll := p.conn != nil || p.err != nil // not every system connects without waiting
	if !p.known && canPoll && p.advance(p.conn) && !p.closeIfHungUp() {
		go p.linger()
	}
	return p.known, p.verdict
}

// Wait returns the verdict, or the error of ctx if it ends earlier. Time in which the daemon is
// paused does not count.
func (p *Probe) Wait(ctx context.Context) error {
	if p.known {
		return p.verdict
	}
	result := make(chan error, 1)
	go func() {
		p.block()
		p.advance(timed{p})
		result <- p.verdict
		p.linger()
	}()
	select {
	case verdict := <-result:
		return verdict
	case <-ctx.Done():
		return ctx.Err()
	}
}

// block makes the operations of conn wait.
func (p *Probe) block() {
	if p.blocking != nil || p.conn == nil && p.err != nil {
		return
	}
	c, err := blocking(p.conn, p.port, p.timeout)
	if err != nil {
		p.conn, p.err = nil, err
		return
	}
	p.conn, p.blocking = c, c
}

// advance sends and reads until the verdict is known or rw returns EAGAIN. It reports whether the
// verdict is known.
func (p *Probe) advance(rw io.ReadWriter) (known bool) {
	err := p.err
	if p.conn != nil {
		err = p.ask(rw)
	}
	if err != syscall.EAGAIN {
		p.known, p.verdict = true, p.judge(err)
	}
	return p.known
}

// ask reads until the status code is known.
func (p *Probe) ask(rw io.ReadWriter) error {
	for !p.reply.known {
		if p.send(rw); len(p.unsent) > 0 {
			return syscall.EAGAIN
		}
		if err := p.reply.readFrom(rw); err == syscall.EAGAIN {
			return err
		} else if err != nil && !p.reply.known {
			return errors.Join(err, p.err)
		}
	}
	return nil
}

// judge returns the verdict in the words that status and the log show. err is a network error.
func (p *Probe) judge(err error) error {
	for _, shortage := range shortages {
		if errors.Is(err, shortage) {
			return fmt.Errorf("%w: %w", ErrNoVerdict, shortage)
		}
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		seconds := strconv.FormatFloat(p.timeout.Seconds(), 'f', -1, 64)
		return fmt.Errorf("no answer to GET %s within %s s", p.path, seconds)
	case errors.Is(err, errnoRefused):
		return ErrRefused
	case errors.Is(err, errnoReset), errors.Is(err, errnoPipe):
		return fmt.Errorf("GET %s got no answer: the connection was reset", p.path)
	case errors.Is(err, io.EOF):
		return fmt.Errorf("GET %s got no answer: the connection was closed", p.path)
	case err != nil || p.reply.code == 200:
		return err
	case p.reply.code == 0:
		return fmt.Errorf("the answer to GET %s is not HTTP", p.path)
	}
	return fmt.Errorf("GET %s answered %d", p.path, p.reply.code)
}

// send sends the rest of the request. A service may reply without reading it, so an error is kept.
func (p *Probe) send(w io.Writer) {
	for len(p.unsent) > 0 {
		n, err := w.Write(p.unsent)
		p.unsent = p.unsent[n:]
		if err == syscall.EAGAIN {
			return
		}
		if err != nil {
			p.unsent, p.err = nil, err
		}
	}
}

// closeIfHungUp closes the connection if the service has closed it, and reports whether it has.
func (p *Probe) closeIfHungUp() bool {
	if p.conn == nil {
		return true
	}
	for {
		switch err := p.reply.readFrom(p.conn); {
		case err == syscall.EAGAIN:
			return false
		case err != nil:
			p.conn.Close()
			return true
		}
	}
}

// linger reads the rest of the reply and closes the connection. A service that has sent its whole
// reply and waits for another request reads the end of the input, on Linux at least, and not
// ECONNRESET, which it may log or not survive.
func (p *Probe) linger() {
	if p.block(); p.conn == nil {
		return
	}
	defer p.conn.Close()
	p.renew, p.left = time.Now().Add(p.left), lingerTime
	for whole := false; ; {
		if !whole && p.reply.whole() {
			whole, p.renew, p.left = true, time.Time{}, hangUpTime
		}
		err := p.reply.readFrom(timed{p})
		if whole && errors.Is(err, os.ErrDeadlineExceeded) {
			if raw, err := p.blocking.SyscallConn(); err == nil {
				raw.Control(closeWrite)
			}
		}
		if err != nil {
			return
		}
	}
}

// timed reads and writes through p.blocking until p.left is used up.
type timed struct{ p *Probe }

func (t timed) Read(buf []byte) (int, error)  { return t.p.withDeadline(t.p.blocking.Read, buf) }
func (t timed) Write(buf []byte) (int, error) { return t.p.withDeadline(t.p.blocking.Write, buf) }

// withDeadline calls do until left is used up, and once more for what has arrived already.
func (p *Probe) withDeadline(do func([]byte) (int, error), buf []byte) (int, error) {
	for {
		wait := max(min(step, p.left), time.Millisecond)
		began := time.Now()
		p.blocking.SetDeadline(began.Add(wait))
		n, err := do(buf)
		timeout := errors.Is(err, os.ErrDeadlineExceeded)
		end := timeout && p.left <= 0
		if took := time.Since(began); took <= wait+late {
			p.left -= min(took, wait)
		} else { // the daemon was paused, perhaps again and again
			p.left -= wait / 2
		}
		switch {
		case n > 0:
			if began.Before(p.renew) {
				p.left = lingerTime
			}
			return n, nil
		case !timeout || end:
			return 0, err
		}
	}
}
