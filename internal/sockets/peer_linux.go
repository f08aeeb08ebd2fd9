package sockets

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// PeerUID returns the user id of the process at the other end of a connection over loopback. Call
// it right after accept. Its error is ErrClosed if the client has hung up, or says why the user
// cannot be known.
//
// PeerUID looks up the socket whose addresses are those of conn, reversed. That socket may belong
// to another user: a client hangs up, and another user connects from the port that is free now. So
// PeerUID looks at conn itself after the look-up, and returns ErrClosed unless conn is still
// ESTABLISHED or in CLOSE_WAIT. This is enough, for these reasons:
//
//   - TCP states never go back. A conn that is in one of these states now was in one of them during
//     the look-up.
//   - As long as conn is in one of them, the kernel delivers to it every segment with its
//     addresses, in one network namespace, under IPv4 and mapped IPv6 addresses alike. conn
//     completes no second handshake. So no other socket can connect from the client's address and
//     port meanwhile. It can try, in SYN_SENT, and isConnected rejects that state.
//   - So a socket that isConnected accepts is the client's own, if a process still has it open.
func (t *Table) PeerUID(conn net.Conn) (uint32, error) {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return 0, ErrUnknown
	}
	s, err := t.findPeer(addrPort(tcp.RemoteAddr()), addrPort(tcp.LocalAddr()))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return 0, ErrClosed
	case err != nil:
		return 0, err
	case !s.isConnected() || !isOpen(tcp):
		return 0, ErrClosed
	}
	if overflow, ambiguous := overflowUID(); ambiguous && s.uid == overflow {
		return 0, fmt.Errorf(
			"user %d stands for every user that is unknown in zrd's user namespace", overflow)
	}
	return s.uid, nil
}

// findPeer returns the socket from client to server. The diag interface returns one socket, of any
// kind. In /proc, findPeer passes over rows that cannot be the client's.
func (t *Table) findPeer(client, server netip.AddrPort) (socket, error) {
	if t.diag != nil {
		return t.diag.find(client, server)
	}
	return findIn(procTable, func(s socket) bool { return s.local == client && s.remote == server && s.isConnected() })
}

// addrPort returns the address of a TCP socket. Mapped IPv6 addresses become IPv4 addresses.
func addrPort(a net.Addr) netip.AddrPort {
	ap := a.(*net.TCPAddr).AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap().WithZone(""), ap.Port())
}

// isConnected reports whether s can be the client of a connection whose other end is open. A socket
// that no process has open has inode 0. Where the kernel finds no connection it returns a listener.
func (s socket) isConnected() bool {
	switch s.state {
	case established, finWait1, finWait2, closeWait:
		return s.inode != 0
	}
	return false
}

// isOpen reports whether conn is ESTABLISHED or in CLOSE_WAIT.
func isOpen(conn *net.TCPConn) bool {
	var state byte
	control(conn, func(fd int) {
		// GetsockoptInet4Addr returns the first four bytes of any option.
		info, _ := syscall.GetsockoptInet4Addr(fd, syscall.IPPROTO_TCP, syscall.TCP_INFO)
		state = info[0]
	})
	return state == established || state == closeWait
}

// overflowUID returns the user id that the kernel shows for users who are unknown in this process's
// user namespace. It is ambiguous if there can be such users.
var overflowUID = sync.OnceValues(func() (uid uint32, ambiguous bool) {
	uidMap, _ := os.ReadFile("/proc/self/uid_map")
	overflow, _ := os.ReadFile("/proc/sys/kernel/overflowuid")
	return parseOverflow(string(uidMap), string(overflow))
})

func parseOverflow(uidMap, overflow string) (uid uint32, ambiguous bool) {
	const usual, everybody = 65534, "0 0 4294967295" // the map of the first namespace
	n, err := strconv.ParseUint(strings.TrimSpace(overflow), 10, 32)
	if err != nil {
		n = usual
	}
	return uint32(n), strings.Join(strings.Fields(uidMap), " ") != everybody
}

// IsForeign reports whether l belongs to another network namespace than this process. The clients
// of such a listener cannot be looked up. Before Linux 5.14 it always returns false.
func IsForeign(l *net.TCPListener) bool {
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer syscall.Close(fd)
	own, err := namespace(fd)
	if err != nil {
		return false
	}
	foreign := false
	control(l, func(fd int) {
		other, err := namespace(fd)
		foreign = err == nil && other != own
	})
	return foreign
}

// namespace returns the number of a socket's network namespace.
func namespace(fd int) (syscall.IPMreq, error) {
	const netnsCookie = 71 // SO_NETNS_COOKIE
	// IPMreq has the size of the cookie, 8 bytes.
	cookie, err := syscall.GetsockoptIPMreq(fd, syscall.SOL_SOCKET, netnsCookie)
	if err != nil {
		return syscall.IPMreq{}, err
	}
	return *cookie, nil
}

// control calls do with the descriptor of a socket, unless it is closed.
func control(s syscall.Conn, do func(fd int)) {
	if raw, err := s.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) { do(int(fd)) })
	}
}
