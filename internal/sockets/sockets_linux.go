package sockets

import (
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Supported reports whether this system answers.
const Supported = true

// A Table answers from the kernel's table of TCP sockets. It is safe for
// concurrent use.
type Table struct{ diag *diag }

// Open returns a Table. Where the kernel's socket monitoring interface is missing (it
// takes microseconds), /proc/net/tcp is read instead (milliseconds).
func Open() *Table { return &Table{openDiag()} }

// A socket is one row of the table. A socket that nobody has open any more has inode 0,
// and a user id that means nothing.
type socket struct {
	local, remote netip.AddrPort
	state         uint8 // of TCP
	uid, inode    uint32
}

// The states of a TCP socket, numbered as in the kernel.
const (
	established = 1
	synSent     = 2
	closeWait   = 8
	listenState = 10
)

func (s socket) listening() bool { return s.state == listenState }

func unmap(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}

// Listener returns the inode of the socket that a connection to 127.0.0.1:port would reach:
// fs.ErrNotExist if there is none, another error if it cannot be known.
func (t *Table) Listener(port int) (inode uint32, err error) {
	addr := netip.AddrPortFrom(loopback, uint16(port))
	var s socket
	if t.diag != nil {
		s, err = t.diag.find(addr, netip.AddrPortFrom(netip.IPv4Unspecified(), 0))
	} else {
		s, err = findInProc(func(s socket) bool { return s.listensOn(addr) })
	}
	if err == nil && !s.listening() {
		err = fs.ErrNotExist
	}
	return s.inode, err
}

var loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// listensOn reports whether s listens on addr or on all addresses.
func (s socket) listensOn(addr netip.AddrPort) bool {
	local := s.local.Addr()
	return s.listening() && s.local.Port() == addr.Port() && (local == addr.Addr() || local.IsUnspecified())
}

// Blocker returns the process whose socket keeps a service from listening on 127.0.0.1:port; it is
// unknown (PID 0) if nobody may say. Only a listener counts: next to a connection, one in TIME_WAIT
// too, a service may well listen, or says itself why it cannot.
func (t *Table) Blocker(port int) (h Holder, blocked bool) {
	if bind(port) != syscall.EADDRINUSE {
		return Holder{}, false
	}
	inode, err := t.Listener(port)
	if err != nil { // it may be bound to another device
		addr := netip.AddrPortFrom(loopback, uint16(port))
		var s socket
		s, err = findInProc(func(s socket) bool { return s.listensOn(addr) })
		inode = s.inode
	}
	if err != nil {
		return Holder{}, false
	}
	h, _ = t.Holder(inode)
	return h, true
}

// bind binds a socket as a service does, and closes it before it listens.
func bind(port int) error {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer syscall.Close(fd)
	syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1)
	return syscall.Bind(fd, &syscall.SockaddrInet4{Port: port, Addr: loopback.As4()})
}

// Holder returns a process that has a socket open. It reads all of /proc: milliseconds, for errors
// only. Root alone sees the processes of other users.
func (t *Table) Holder(inode uint32) (Holder, bool) {
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if held, _ := t.Held(inode, pid); held {
			comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
			return Holder{pid, strings.TrimSuffix(string(comm), "\n")}, true
		}
	}
	return Holder{}, false
}

// Held reports whether one of the processes has a socket open. It is not sure of a no if it may not
// look into one of them: a program with capabilities is closed to its own user, and with hidepid=2
// not even shown.
func (t *Table) Held(inode uint32, pids ...int) (held, sure bool) {
	sure = true
	for _, pid := range pids {
		held, known := holds(fmt.Sprintf("/proc/%d/fd", pid), inode)
		if !known { // the main thread may have ended, which empties its folder, while others go on
			threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/fd", pid))
			for len(threads) > 0 && !known {
				held, known = holds(threads[0], inode)
				threads = threads[1:]
			}
		}
		if held {
			return true, true
		}
		sure = sure && known
	}
	return false, sure
}

// holds looks through a folder of descriptors; known is false if it sees none.
func holds(dir string, inode uint32) (holds, known bool) {
	entries, _ := os.ReadDir(dir)
	want := fmt.Sprintf("socket:[%d]", inode)
	for _, e := range entries {
		if link, err := os.Readlink(dir + "/" + e.Name()); err == nil && link == want {
			return true, true
		}
	}
	return false, len(entries) > 0
}
