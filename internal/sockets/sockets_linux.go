package sockets

import (
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// Supported tells whether this system answers.
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

// Listener returns the inode of the socket that a connection to 127.0.0.1:port
// would reach, or 0 if there is none or it cannot be known.
func (t *Table) Listener(port int) uint32 {
	addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(port))
	if t.diag != nil {
		s, err := t.diag.find(addr, netip.AddrPortFrom(netip.IPv4Unspecified(), 0))
		if err != nil || !s.listening() {
			return 0
		}
		return s.inode
	}
	s, _ := findInProc(func(s socket) bool {
		return s.listening() && s.local.Port() == addr.Port() && (s.local.Addr() == addr.Addr() || s.local.Addr().IsUnspecified())
	})
	return s.inode
}

// Holder returns the process that listens on port, on whatever address, or else the connection that has it. It
// reads all of /proc: milliseconds, for errors only. Processes of other
// users are seen by root alone.
func (t *Table) Holder(port int) (Holder, bool) {
	s, err := findInProc(func(s socket) bool { return s.listening() && int(s.local.Port()) == port })
	if errors.Is(err, fs.ErrNotExist) {
		_, err = findInProc(func(s socket) bool { return int(s.local.Port()) == port })
		return Holder{}, err == nil
	}
	if err != nil || s.inode == 0 {
		return Holder{}, false
	}
	for _, pid := range pids() {
		if holds, _ := holdsSocket(pid, s.inode); holds {
			comm, _ := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/comm")
			return Holder{pid, strings.TrimSpace(string(comm))}, true
		}
	}
	return Holder{}, false
}

// HeldBy tells whether the socket with this inode is open in the process leader, in its
// group, or in a descendant. What cannot be looked into (a program with
// capabilities is closed to its own user) is given the benefit of the doubt.
func (t *Table) HeldBy(inode uint32, leader int) bool {
	if holds, sure := holdsSocket(leader, inode); holds || !sure {
		return true
	}
	family := readFamily()
	if len(family) == 0 { // no /proc here
		return true
	}
	for pid := range family {
		if pid == leader || !family.belongs(pid, leader) {
			continue
		}
		if holds, sure := holdsSocket(pid, inode); holds || !sure {
			return true
		}
	}
	return false
}

// holdsSocket looks through the descriptors of a process; sure is false where it
// may not.
func holdsSocket(pid int, inode uint32) (holds, sure bool) {
	dir := "/proc/" + strconv.Itoa(pid) + "/fd"
	names, err := readNames(dir)
	if err != nil {
		return false, !errors.Is(err, fs.ErrPermission)
	}
	want := "socket:[" + strconv.FormatUint(uint64(inode), 10) + "]"
	for _, name := range names {
		if link, err := os.Readlink(dir + "/" + name); err == nil && link == want {
			return true, true
		}
	}
	return false, true
}

// family is the parent and the group of every process.
type family map[int]struct{ parent, group int }

func readFamily() family {
	f := make(family)
	for _, pid := range pids() {
		stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if err != nil {
			continue
		}
		// The command is in parentheses, and may hold any character itself.
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		if len(fields) < 3 {
			continue
		}
		entry := f[pid]
		entry.parent, _ = strconv.Atoi(fields[1])
		entry.group, _ = strconv.Atoi(fields[2])
		f[pid] = entry
	}
	return f
}

// belongs tells whether pid is in the group of leader or descends from it.
func (f family) belongs(pid, leader int) bool {
	if f[pid].group == leader {
		return true
	}
	for range f { // a bound: a parent may die and its number be taken while this is read
		if pid == leader {
			return true
		}
		pid = f[pid].parent
	}
	return false
}

func pids() []int {
	names, _ := readNames("/proc")
	var list []int
	for _, name := range names {
		if pid, err := strconv.Atoi(name); err == nil {
			list = append(list, pid)
		}
	}
	return list
}

func readNames(dir string) ([]string, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return f.Readdirnames(-1)
}
