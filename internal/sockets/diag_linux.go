package sockets

import (
	"encoding/binary"
	"errors"
	"io/fs"
	"net"
	"net/netip"
	"sync"
	"syscall"
)

// diag looks up single sockets through the kernel's sock_diag(7) interface.
type diag struct {
	mu  sync.Mutex // held for one request and its answer, which never block
	fd  int
	seq uint32
}

// Numbers of sock_diag(7) and inet_diag that the syscall package lacks.
const (
	netlinkSockDiag  = 4
	sockDiagByFamily = 20
	loopbackIndex    = 1 // of "lo", in every network namespace
	headerSize       = 16
	requestSize      = headerSize + 56
	addressesAt      = 8 // in inet_diag_req_v2, after family, protocol, flags and states
)

// openDiag returns nil if the kernel does not find a socket that surely exists. A kernel without
// the interface answers "no such socket" to everything.
func openDiag() *diag {
	fd, err := syscall.Socket(syscall.AF_NETLINK, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, netlinkSockDiag)
	if err != nil {
		return nil
	}
	d := &diag{fd: fd}
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err == nil {
		defer l.Close()
		_, err = d.find(l.Addr().(*net.TCPAddr).AddrPort(), netip.AddrPortFrom(netip.IPv4Unspecified(), 0))
	}
	if err != nil {
		syscall.Close(fd)
		return nil
	}
	return d
}

// find returns the socket with these addresses, or fs.ErrNotExist if there is none.
func (d *diag) find(local, remote netip.AddrPort) (socket, error) {
	local, remote = unmap(local), unmap(remote)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.seq++
	err := syscall.Sendto(d.fd, request(d.seq, local, remote), 0, &syscall.SockaddrNetlink{Family: syscall.AF_NETLINK})
	if err != nil {
		return socket{}, err
	}
	var buf [1024]byte
	for {
		n, _, err := syscall.Recvfrom(d.fd, buf[:], syscall.MSG_DONTWAIT)
		if err != nil {
			return socket{}, err
		}
		// An answer with another number belongs to an earlier request that failed half-way.
		if n >= headerSize+4 && binary.NativeEndian.Uint32(buf[8:]) == d.seq {
			return answer(buf[:n])
		}
	}
}

// request encodes an nlmsghdr and an inet_diag_req_v2 for exactly one socket.
func request(seq uint32, local, remote netip.AddrPort) []byte {
	b := make([]byte, requestSize)
	native := binary.NativeEndian
	native.PutUint32(b, requestSize)
	native.PutUint16(b[4:], sockDiagByFamily)
	native.PutUint16(b[6:], syscall.NLM_F_REQUEST)
	native.PutUint32(b[8:], seq)
	r := b[headerSize:]
	r[0] = syscall.AF_INET
	if local.Addr().Is6() {
		r[0] = syscall.AF_INET6
	}
	r[1] = syscall.IPPROTO_TCP
	native.PutUint32(r[4:], ^uint32(0)) // in any state
	id := r[addressesAt:]
	binary.BigEndian.PutUint16(id, local.Port())
	binary.BigEndian.PutUint16(id[2:], remote.Port())
	copy(id[4:20], local.Addr().AsSlice())
	copy(id[20:36], remote.Addr().AsSlice())
	native.PutUint32(id[36:], loopbackIndex) // finds also a socket that is bound to the device
	native.PutUint64(id[40:], ^uint64(0))    // INET_DIAG_NOCOOKIE
	return b
}

// answer decodes an nlmsghdr with an error or an inet_diag_msg.
func answer(b []byte) (socket, error) {
	native := binary.NativeEndian
	body := b[headerSize:]
	if native.Uint16(b[4:]) == syscall.NLMSG_ERROR {
		errno := syscall.Errno(-int32(native.Uint32(body)))
		if errno == syscall.ENOENT {
			return socket{}, fs.ErrNotExist
		}
		return socket{}, errno
	}
	if len(body) < 72 {
		return socket{}, errors.New("short answer from sock_diag")
	}
	return socket{state: body[1], uid: native.Uint32(body[64:]), inode: native.Uint32(body[68:])}, nil
}
