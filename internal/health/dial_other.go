//go:build !linux

package health

import (
	"fmt"
	"io"
	"net"
	"strconv"
	"syscall"
	"time"
)

// connect leaves everything to blocking.
func connect(int) (io.ReadWriteCloser, error) { return nil, nil }

// blocking connects to 127.0.0.1:port. On Linux, connect says why the connection ends with RST.
func blocking(_ io.ReadWriteCloser, port int, timeout time.Duration) (deadliner, error) {
	began, addr := time.Now(), "127.0.0.1:"+strconv.Itoa(port)
	dialer := net.Dialer{Timeout: timeout, KeepAlive: -1, Control: func(_, _ string, c syscall.RawConn) error { return c.Control(abort) }}
	conn, err := dialer.Dial("tcp4", addr)
	switch {
	case err != nil && time.Since(began) > timeout+late:
		return nil, fmt.Errorf("%w: the daemon was paused", ErrNoVerdict)
	case err != nil:
		return nil, err
	}
	if conn.LocalAddr().String() == addr {
		conn.Close()
		return nil, errnoRefused
	}
	return conn.(*net.TCPConn), nil
}
