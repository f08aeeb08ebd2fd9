// Package health probes a service once. The supervisor decides when to probe and what follows.
package health

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// Timeout is the default of health-timeout.
const Timeout = 2 * time.Second

const (
	maxReply = 64 << 10 // bytes that are read of a reply
	maxLine  = 4 << 10  // bytes of a line of its head

	// After the verdict, and after each further piece within the timeout, a service may take this
	// long to end its reply. If the connection were closed earlier, the service's next write would
	// fail with EPIPE.
	lingerTime = time.Second
	// A service that has sent as much as its Content-Length says may take this long to hang up.
	hangUpTime = 50 * time.Millisecond

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

// Probe sends GET path to 127.0.0.1:port. It returns nil if a reply with status code 200 arrives
// within timeout and before ctx ends. Time in which the daemon is paused does not count. The
// connection stays open until the service has sent its reply: for a second, and for one more after
// each piece that comes within timeout. Then it is reset, so that neither side keeps it in TIME_WAIT.
func Probe(ctx context.Context, port int, path string, timeout time.Duration) error {
	verdict := make(chan error, 1)
	go func() {
		p := &probe{left: timeout}
		verdict <- p.ask("127.0.0.1:"+strconv.Itoa(port), path, timeout)
		p.hangUp()
	}()
	select {
	case err := <-verdict:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// A probe is one connection to a service.
type probe struct {
	conn   net.Conn
	left   time.Duration // the time that remains for what is being done
	more   time.Time     // until then, each piece of the reply gives it more time
	reply  *bufio.Reader
	length int64 // Content-Length; -1: the body lasts until the end
}

func (p *probe) ask(addr, path string, timeout time.Duration) error {
	err := p.dial(addr)
	if err != nil {
		return explain(err, path, timeout)
	}
	request := "GET " + path + " HTTP/1.0\r\nHost: " + addr + "\r\nConnection: close\r\n\r\n"
	p.conn.SetWriteDeadline(time.Now().Add(timeout))
	_, werr := io.WriteString(p.conn, request)
	p.reply = bufio.NewReaderSize(io.LimitReader(p, maxReply), maxLine)
	code, err := p.status()
	switch {
	case err != nil:
		return explain(errors.Join(err, werr), path, timeout)
	case code == 0:
		return fmt.Errorf("the answer to GET %s is not HTTP", path)
	case code != 200:
		return fmt.Errorf("GET %s answered %d", path, code)
	}
	return nil
}

// dialer sends no keep-alives. They cost four system calls, and a probe ends before the first.
var dialer = net.Dialer{KeepAlive: -1, Control: abortive}

func (p *probe) dial(addr string) error {
	began := time.Now()
	deadline := began.Add(p.left)
	ctx, cancel := context.WithDeadline(context.Background(), deadline)
	defer cancel()
	conn, err := dialer.DialContext(ctx, "tcp4", addr)
	switch {
	case err != nil && ctx.Err() != nil && time.Since(deadline) > late:
		return fmt.Errorf("%w: the daemon was paused", ErrNoVerdict)
	case err != nil:
		return err
	}
	if conn.LocalAddr().String() == addr { // it connected to itself; see abortive
		conn.Close()
		return ErrRefused
	}
	p.conn = conn
	if took := time.Since(began); took < p.left { // else the daemon was paused
		p.left -= took
	}
	return nil
}

// Read reads from the connection until p.left is used up. It returns bytes that have arrived even
// if no time is left.
func (p *probe) Read(buf []byte) (int, error) {
	for {
		wait := max(min(step, p.left), time.Millisecond)
		began := time.Now()
		p.conn.SetReadDeadline(began.Add(wait))
		n, err := p.conn.Read(buf)
		took := time.Since(began)
		switch {
		case took > wait+late: // paused
		case errors.Is(err, os.ErrDeadlineExceeded) && p.left <= 0:
			return n, err
		default:
			p.left -= min(took, wait)
		}
		if n > 0 && began.Before(p.more) {
			p.left = lingerTime
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
	}
}

// status returns the status code of the reply, or 0 if the reply is not HTTP. It skips interim
// replies (1xx).
func (p *probe) status() (code int, err error) {
	for {
		p.length = -1
		line, err := p.reply.ReadSlice('\n')
		if err != nil && err != io.EOF && err != bufio.ErrBufferFull || len(line) == 0 {
			return 0, err
		}
		code, _ := statusCode(strings.TrimSuffix(string(line), "\n"))
		if err == bufio.ErrBufferFull {
			code = 0
		}
		if code < 100 || code > 199 {
			return code, nil
		}
		if err := p.skipHead(); err != nil {
			return 0, err
		}
	}
}

// skipHead reads the head of a reply up to its empty line, and notes the Content-Length.
func (p *probe) skipHead() error {
	for {
		line, err := p.reply.ReadSlice('\n')
		if err != nil {
			return err
		}
		name, value, _ := strings.Cut(strings.TrimSpace(string(line)), ":")
		if name == "" {
			return nil
		}
		if strings.EqualFold(name, "Content-Length") {
			if n, err := strconv.ParseUint(strings.TrimSpace(value), 10, 31); err == nil {
				p.length = int64(n)
			}
		}
	}
}

// hangUp reads the rest of the reply and closes the connection.
func (p *probe) hangUp() {
	if p.conn == nil {
		return
	}
	defer p.conn.Close()
	if p.reply == nil {
		return
	}
	p.more, p.left = time.Now().Add(p.left), lingerTime
	if p.skipHead() == nil && p.length >= 0 {
		if n, _ := io.CopyN(io.Discard, p.reply, p.length); n < p.length {
			return
		}
		p.more, p.left = time.Time{}, hangUpTime
	}
	io.Copy(io.Discard, p.reply)
}

// statusCode parses "HTTP/1.1 200 OK": the version, one space, three digits, and then a space or
// the end.
func statusCode(line string) (int, bool) {
	rest, ok := strings.CutPrefix(strings.TrimSuffix(line, "\r"), "HTTP/")
	if !ok || len(rest) < 7 || !digit(rest[0]) || rest[1] != '.' || !digit(rest[2]) || rest[3] != ' ' {
		return 0, false
	}
	code, after := rest[4:7], rest[7:]
	if !digit(code[0]) || !digit(code[1]) || !digit(code[2]) || after != "" && after[0] != ' ' {
		return 0, false
	}
	n, err := strconv.Atoi(code)
	return n, err == nil
}

func digit(b byte) bool { return '0' <= b && b <= '9' }

// explain returns a network error in the words that status and the log show.
func explain(err error, path string, timeout time.Duration) error {
	for _, shortage := range shortages {
		if errors.Is(err, shortage) {
			return fmt.Errorf("%w: %w", ErrNoVerdict, shortage)
		}
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("no answer to GET %s within %s", path, words(timeout))
	case errors.Is(err, errnoRefused):
		return ErrRefused
	case errors.Is(err, errnoReset), errors.Is(err, errnoPipe):
		return fmt.Errorf("GET %s got no answer: the connection was reset", path)
	case errors.Is(err, io.EOF):
		return fmt.Errorf("GET %s got no answer: the connection was closed", path)
	}
	return err
}

// words formats a duration as in "2 s".
func words(d time.Duration) string {
	return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + " s"
}
