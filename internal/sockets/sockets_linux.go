package sockets

import (
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// Supported reports whether this system tells the owners of sockets.
const Supported = true

// A Table looks sockets up in the kernel's table of TCP sockets. It is safe for concurrent use.
type Table struct{ diag *diag }

// Open returns a Table. It uses sock_diag(7), which takes microseconds, or reads /proc/net/tcp,
// which takes milliseconds, if that is missing.
func Open() *Table { return &Table{openDiag()} }

// A socket is one row of the table. If no process has it open any more, its inode is 0 and its user
// id means nothing.
type socket struct {
	local, remote netip.AddrPort
	state         uint8 // of TCP
	uid, inode    uint32
}

// The states of a TCP socket, numbered as in the kernel.
const (
	established = 1
	finWait1    = 4
	finWait2    = 5
	closeWait   = 8
	listening   = 10
)

var (
	loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	noPeer   = netip.AddrPortFrom(netip.IPv4Unspecified(), 0) // the remote address of a listener
)

// Listener returns the inode of the socket that a connection to 127.0.0.1:port would reach. It
// returns fs.ErrNotExist if there is none, another error if that cannot be known.
func (t *Table) Listener(port int) (inode uint32, err error) {
	addr := netip.AddrPortFrom(loopback, uint16(port))
	var s socket
	if t.diag != nil {
		s, err = t.diag.find(addr, noPeer)
	} else {
		s, err = findIn(procTable, func(s socket) bool { return s.listensOn(addr) })
	}
	if err == nil && s.state != listening {
		err = fs.ErrNotExist
	}
	return s.inode, err
}

// listensOn reports whether s listens on addr or on all addresses.
func (s socket) listensOn(addr netip.AddrPort) bool {
	local := s.local.Addr()
	return s.state == listening && s.local.Port() == addr.Port() && (local == addr.Addr() || local.IsUnspecified())
}

// Blocker returns the process whose socket keeps a service from listening on 127.0.0.1:port. Its
// PID is 0 if it is unknown. Only a listener counts: beside a connection, also one in TIME_WAIT, a
// service can listen or say itself why it cannot.
func (t *Table) Blocker(port int) (h Holder, blocked bool) {
	if bind(port) != syscall.EADDRINUSE {
		return Holder{}, false
	}
	inode, err := t.Listener(port)
	if err != nil { // it may be bound to another device: look in /proc
		inode, err = (&Table{}).Listener(port)
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

// reading is held while descriptors of processes are read. Many goroutines at once would each take
// a thread.
var reading sync.Mutex

// Holder returns a process that has a socket open. It reads all of /proc, which takes milliseconds,
// so it is meant for errors only. Only root sees the processes of other users.
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

// foreignProc reports whether /proc shows processes under the numbers of another namespace.
var foreignProc = sync.OnceValue(func() bool {
	self, err := os.Readlink("/proc/self")
	return err == nil && self != strconv.Itoa(os.Getpid())
})

// Held reports whether one of the processes has a socket open. sure is false if none is seen to
// have it, but the descriptors of one cannot be read: those of a program with capabilities are
// hidden even from its own user.
func (t *Table) Held(inode uint32, pids ...int) (isHeld, sure bool) {
	if foreignProc() {
		return false, false
	}
	reading.Lock()
	defer reading.Unlock()
	sure = true
	for _, pid := range pids {
		held, known := holds(fmt.Sprintf("/proc/%d/fd", pid), inode)
		if !known { // the folder is empty if the main thread ended before others
			threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/fd", pid))
			for i := 0; i < len(threads) && !known; i++ {
				held, known = holds(threads[i], inode)
			}
		}
		if held {
			return true, true
		}
		sure = sure && known
	}
	return false, sure
}

// holds reports whether a folder of descriptors has the socket. known is false if it shows none.
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
