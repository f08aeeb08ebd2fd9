// Package health asks a service once whether it is well. When to ask, and what
// to make of the answer, is the supervisor's.
package health

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"syscall"
	"time"
)

// Timeout is how long a probe may take in all, whatever the service does: the
// original's read timeout, which there bounds each read alone.
const Timeout = 2 * time.Second

// maxHead bounds how much of an answer is read, and so the length of a status line.
const maxHead = 4 << 10

// ErrLocal marks a probe that could not be made for want of something on the
// daemon's own side (descriptors, memory, free local ports). It says nothing
// of the service.
var ErrLocal = errors.New("cannot probe")

// errRefused: nobody listens.
var errRefused = errors.New("connection refused")

// dialer leaves keep-alives off: they are four system calls, and a probe is over
// long before the first.
var dialer = net.Dialer{KeepAlive: -1, Control: abortive}

// Probe sends one GET of path to 127.0.0.1:port and returns nil if the answer's
// status code is 200, within Timeout and until ctx ends. It reads a bounded amount, and
// leaves nothing open.
func Probe(ctx context.Context, port int, path string) error {
	ctx, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	addr := "127.0.0.1:" + strconv.Itoa(port)
	conn, err := dialer.DialContext(ctx, "tcp4", addr)
	if err != nil {
		return explain(err, path)
	}
	defer conn.Close()
	if conn.LocalAddr().String() == addr { // it reached itself, three times in a row: see abortive
		return errRefused
	}
	conn.(*net.TCPConn).SetLinger(-1) // it is the service: end as usual
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	request := "GET " + path + " HTTP/1.0\r\nHost: " + addr + "\r\nConnection: close\r\n\r\n"
	_, werr := io.WriteString(conn, request)
	line, err := statusLine(conn)
	if ctx.Err() == context.Canceled { // not the service's fault: it had its time cut short
		return ctx.Err()
	}
	if len(line) == 0 && (err != nil || werr != nil) {
		return explain(errors.Join(err, werr), path)
	}
	code, ok := statusCode(line)
	switch {
	case !ok:
		return fmt.Errorf("the answer to GET %s is not HTTP", path)
	case code != 200:
		return fmt.Errorf("GET %s answered %d", path, code)
	}
	return nil
}

// statusLine reads up to the first newline or the end. An error with an empty
// line says why there is none; of one that is too long there is nothing to say.
func statusLine(r io.Reader) ([]byte, error) {
	var buf [maxHead]byte
	n := 0
	for n < len(buf) {
		m, err := r.Read(buf[n:])
		if i := bytes.IndexByte(buf[n:n+m], '\n'); i >= 0 {
			return buf[:n+i], nil
		}
		n += m
		if err == io.EOF {
			return buf[:n], err
		}
		if err != nil {
			return nil, err
		}
	}
	return nil, nil
}

// statusCode parses "HTTP/1.1 200 OK": the version, one space, three digits,
// and then a space or the end.
func statusCode(line []byte) (int, bool) {
	line = bytes.TrimSuffix(line, []byte("\r"))
	rest, ok := bytes.CutPrefix(line, []byte("HTTP/"))
	if !ok || len(rest) < 7 || !digit(rest[0]) || rest[1] != '.' || !digit(rest[2]) || rest[3] != ' ' {
		return 0, false
	}
	rest = rest[4:]
	if !digit(rest[0]) || !digit(rest[1]) || !digit(rest[2]) || len(rest) > 3 && rest[3] != ' ' {
		return 0, false
	}
	return int(rest[0]-'0')*100 + int(rest[1]-'0')*10 + int(rest[2]-'0'), true
}

func digit(b byte) bool { return '0' <= b && b <= '9' }

// explain words a network error the way status and the log show it.
func explain(err error, path string) error {
	for _, shortage := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EADDRNOTAVAIL} {
		if errors.Is(err, shortage) {
			return fmt.Errorf("%w: %w", ErrLocal, shortage)
		}
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("no answer to GET %s within %d s", path, Timeout/time.Second)
	case errors.Is(err, syscall.ECONNREFUSED):
		return errRefused
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return fmt.Errorf("GET %s got no answer: the connection was reset", path)
	case errors.Is(err, io.EOF):
		return fmt.Errorf("GET %s got no answer: the connection was closed", path)
	}
	return err
}
