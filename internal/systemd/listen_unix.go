//go:build unix

package systemd

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"syscall"
)

// firstFD is the first descriptor that a manager hands over.
const firstFD = 3

// Listener returns the socket that the manager handed to this process, or nil if it handed none.
// Everything but one TCP listener on a loopback address is an error. Call it once, because it
// closes the descriptor. The socket that it returns is closed on exec.
func Listener() (*net.TCPListener, error) {
	count := os.Getenv("LISTEN_FDS")
	if count == "" || os.Getenv("LISTEN_PID") != strconv.Itoa(os.Getpid()) {
		return nil, nil
	}
	n, err := strconv.Atoi(count)
	switch {
	case err != nil || n < 0:
		return nil, fmt.Errorf("LISTEN_FDS=%s is no number of sockets", count)
	case n == 0:
		return nil, nil
	case n > 1:
		return nil, fmt.Errorf("the manager handed over %d sockets: exactly one is served,"+
			" so its unit needs exactly one ListenStream=", n)
	}
	f := os.NewFile(firstFD, "LISTEN_FDS")
	defer f.Close() // net.FileListener makes a copy
	l, err := net.FileListener(f)
	if err != nil {
		err = fmt.Errorf("it is no listening TCP socket: %w", err)
	} else if err = check(l); err != nil {
		l.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("the socket that the manager handed over cannot be used: %w", err)
	}
	return l.(*net.TCPListener), nil
}

// check refuses what zrd cannot serve. Package net makes a Listener of a connection too.
func check(l net.Listener) error {
	tcp, ok := l.(*net.TCPListener)
	if !ok {
		return fmt.Errorf("it is no TCP socket but a %s one (%s)", l.Addr().Network(), l.Addr())
	}
	conn, err := tcp.SyscallConn()
	if err != nil {
		return err
	}
	listens := 0
	conn.Control(func(fd uintptr) {
		listens, _ = syscall.GetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_ACCEPTCONN)
	})
	switch {
	case listens == 0:
		return errors.New("it does not listen; a unit with Accept=yes hands over connections")
	case !tcp.Addr().(*net.TCPAddr).IP.IsLoopback():
		return fmt.Errorf("%s is not a loopback address: the protocol has no login,"+
			" so the daemon listens on this machine only", l.Addr())
	}
	return nil
}
