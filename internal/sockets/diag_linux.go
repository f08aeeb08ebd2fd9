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
		_, err = d.find(addrPort(l.Addr()), noPeer)
	}
	if err != nil {
		syscall.Close(fd)
		return nil
	}
	return d
}

// find returns the socket with these addresses, or fs.ErrNotExist if there is none.
func (d *diag) find(local, remote netip.AddrPort) (socket, error) {
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
		messages, err := syscall.ParseNetlinkMessage(buf[:n])
		if err != nil {
			return socket{}, err
		}
		// An answer with another number belongs to an earlier request that failed half-way.
		if len(messages) > 0 && messages[0].Header.Seq == d.seq {
			return answer(messages[0])
		}
	}
}

// request encodes an nlmsghdr and an inet_diag_req_v2 for exactly one socket.
func request(seq uint32, local, remote netip.AddrPort) []byte {
	b := make([]byte, syscall.NLMSG_HDRLEN+56)
	native := binary.NativeEndian
	native.PutUint32(b, uint32(len(b)))
	native.PutUint16(b[4:], sockDiagByFamily)
	native.PutUint16(b[6:], syscall.NLM_F_REQUEST)
	native.PutUint32(b[8:], seq)
	r := b[syscall.NLMSG_HDRLEN:]
	r[0] = syscall.AF_INET
	if local.Addr().Is6() {
		r[0] = syscall.AF_INET6
	}
	r[1] = syscall.IPPROTO_TCP
	native.PutUint32(r[4:], ^uint32(0)) // in any state
	binary.BigEndian.PutUint16(r[8:], local.Port())
	binary.BigEndian.PutUint16(r[10:], remote.Port())
	copy(r[12:28], local.Addr().AsSlice())
	copy(r[28:44], remote.Addr().AsSlice())
	native.PutUint32(r[44:], loopbackIndex) // finds also a socket that is bound to the device
	native.PutUint64(r[48:], ^uint64(0))    // INET_DIAG_NOCOOKIE
	return b
}

// answer decodes an error number or an inet_diag_msg.
func answer(m syscall.NetlinkMessage) (socket, error) {
	native := binary.NativeEndian
	switch {
	case m.Header.Type == syscall.NLMSG_ERROR && len(m.Data) >= 4:
		errno := syscall.Errno(-int32(native.Uint32(m.Data)))
		if errno == syscall.ENOENT {
			return socket{}, fs.ErrNotExist
		}
		return socket{}, errno
	case len(m.Data) < 72:
		return socket{}, errors.New("short answer from sock_diag")
	}
	return socket{state: m.Data[1], uid: native.Uint32(m.Data[64:]), inode: native.Uint32(m.Data[68:])}, nil
}
