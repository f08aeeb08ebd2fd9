// Package health makes one health check of a service. When to check, and what follows, is the
// supervisor's.
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

// Timeout is how long a probe may take in all, unless the definition says otherwise: the original's
// read timeout, which there bounds each read alone.
const Timeout = 2 * time.Second

const (
	maxReply = 64 << 10 // bytes of a reply that are read
	maxLine  = 4 << 10  // bytes of its status line

	// After the verdict, a service may take this long to end its reply: a connection that is closed
	// while it writes would break its pipe.
	lingerTime = time.Second
	// A service that has sent as much as its Content-Length says may take this long to hang up.
	hangUpTime = 50 * time.Millisecond

	// Time is counted in steps. A step that ends Late was no time of the service's: the daemon, or
	// the machine, was paused.
	step = 250 * time.Millisecond
	Late = 500 * time.Millisecond
)

var (
	// ErrNoVerdict marks a probe that says nothing of the service: the daemon lacked something
	// (descriptors, memory, local ports), or was paused.
	ErrNoVerdict = errors.New("cannot probe")
	// ErrRefused is returned when nobody listens: such a probe did not reach the service.
	ErrRefused = errors.New("connection refused")
)

// Probe sends one GET of path to 127.0.0.1:port and returns nil if the reply's status code is 200,
// within timeout and until ctx ends. Only time in which the daemon runs counts. The connection
// lives on until the service has sent its reply, for a second at most; then it is reset, so
// that neither side keeps it in TIME_WAIT.
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
	left   time.Duration // for what is being done
	reply  *bufio.Reader
	length int64 // of the body as announced; -1: until the end
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

// dialer leaves keep-alives off: they are four system calls, and a probe is over long before the
// first.
var dialer = net.Dialer{KeepAlive: -1, Control: abortive}

func (p *probe) dial(addr string) error {
	began := time.Now()
	deadline := began.Add(p.left)
	ctx, cancel := context.WithDeadline(context.Background(), deadline)
	defer cancel()
	conn, err := dialer.DialContext(ctx, "tcp4", addr)
	switch {
	case err != nil && ctx.Err() != nil && time.Since(deadline) > Late:
		return fmt.Errorf("%w: the daemon was paused", ErrNoVerdict)
	case err != nil:
		return err
	}
	if conn.LocalAddr().String() == addr { // it reached itself, three times in a row: see abortive
		conn.Close()
		return ErrRefused
	}
	p.conn = conn
	if took := time.Since(began); took < p.left { // otherwise the daemon was paused
		p.left -= took
	}
	return nil
}

// Read reads within what is left of the time. What has arrived is read before the time counts as
// over.
func (p *probe) Read(buf []byte) (int, error) {
	for {
		wait := max(min(step, p.left), time.Millisecond)
		began := time.Now()
		p.conn.SetReadDeadline(began.Add(wait))
		n, err := p.conn.Read(buf)
		took := time.Since(began)
		switch {
		case took > wait+Late: // paused
		case errors.Is(err, os.ErrDeadlineExceeded) && p.left <= 0:
			return n, err
		default:
			p.left -= min(took, wait)
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
	}
}

// status returns the status code of the reply, after any interim ones (1xx), and 0 for what is not
// HTTP.
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

// skipHead reads the lines of a head, which an empty one ends.
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

// hangUp reads the rest of the reply, and closes.
func (p *probe) hangUp() {
	if p.conn == nil {
		return
	}
	defer p.conn.Close()
	if p.reply == nil {
		return
	}
	p.left = lingerTime
	if p.skipHead() == nil && p.length >= 0 {
		if n, _ := io.CopyN(io.Discard, p.reply, p.length); n < p.length {
			return
		}
		p.left = hangUpTime
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

// explain words a network error the way status and the log show it.
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

// words shows a duration as the log does: "2 s".
func words(d time.Duration) string {
	return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + " s"
}
