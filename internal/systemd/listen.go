package systemd

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
)

// firstFD is the first descriptor that a manager hands over.
const firstFD = 3

// Listener returns the socket that the manager handed to this process, or nil if it handed none.
// Everything but one TCP listener on a loopback address is an error. Call it once, because it
// closes the descriptor. The socket that it returns is closed on exec.
func Listener() (*net.TCPListener, error) {
	count := os.Getenv("LISTEN_FDS")
	if count == "" || !meant("LISTEN_PID", false) {
		return nil, nil
	}
	n, err := strconv.Atoi(count)
	switch {
	case err != nil || n < 0:
		return nil, fmt.Errorf("LISTEN_FDS=%s is no number of sockets", count)
	case n == 0:
		return nil, nil
	case n > 1:
		return nil, fmt.Errorf("the manager handed over %d sockets: exactly one is served, so its unit needs exactly one ListenStream=", n)
	}
	f := os.NewFile(firstFD, "LISTEN_FDS")
	defer f.Close() // tcpListener makes a copy
	l, err := tcpListener(f)
	if err != nil {
		return nil, fmt.Errorf("the socket that the manager handed over cannot be used: %w", err)
	}
	return l, nil
}

func tcpListener(f *os.File) (*net.TCPListener, error) {
	l, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("it is no listening TCP socket: %w", err)
	}
	tcp, ok := l.(*net.TCPListener)
	switch {
	case !ok:
		err = fmt.Errorf("it is no TCP socket but a %s one (%s)", l.Addr().Network(), l.Addr())
	case !accepts(tcp):
		err = errors.New("it does not listen; a unit with Accept=yes hands over connections")
	case !tcp.Addr().(*net.TCPAddr).IP.IsLoopback():
		err = fmt.Errorf("%s is not a loopback address: the protocol has no login, so the daemon listens on this machine only", l.Addr())
	default:
		return tcp, nil
	}
	l.Close()
	return nil, err
}
