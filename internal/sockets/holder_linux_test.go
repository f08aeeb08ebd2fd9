package sockets

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// inodeOf asks the kernel about an open listener, by another way than the code does.
func inodeOf(t *testing.T, l *net.TCPListener) uint32 {
	t.Helper()
	raw, err := l.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var st syscall.Stat_t
	raw.Control(func(fd uintptr) { err = syscall.Fstat(int(fd), &st) })
	if err != nil {
		t.Fatal(err)
	}
	return uint32(st.Ino)
}

func TestListener(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ network, addr string }{
		{"tcp4", "127.0.0.1:0"}, {"tcp4", "0.0.0.0:0"}, {"tcp", "[::]:0"},
	} {
		tables(t, func(t *testing.T, table *Table) {
			l := listen(t, c.network, c.addr)
			if got, want := table.Listener(portOf(l)), inodeOf(t, l); got != want {
				t.Errorf("%s: got %d, want %d", c.addr, got, want)
			}
			connect(t, l) // a connection of the same port is no listener
			if got, want := table.Listener(portOf(l)), inodeOf(t, l); got != want {
				t.Errorf("%s, with a connection: got %d, want %d", c.addr, got, want)
			}
		})
	}
}

func TestNoListener(t *testing.T) {
	t.Parallel()
	tables(t, func(t *testing.T, table *Table) {
		l := listen(t, "tcp4", "127.0.0.2:0") // a connection to 127.0.0.1 does not reach it
		client, _ := connect(t, l)
		for _, port := range []int{portOf(l), client.LocalAddr().(*net.TCPAddr).Port, 0, 65536} {
			if got := table.Listener(port); got != 0 {
				t.Errorf("port %d: got %d", port, got)
			}
		}
	})
}

func TestHolder(t *testing.T) {
	t.Parallel()
	comm, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	want := Holder{os.Getpid(), strings.TrimSpace(string(comm))}
	for _, addr := range []string{"127.0.0.1:0", "0.0.0.0:0", "[::]:0", "[::1]:0"} {
		l := listen(t, "tcp", addr)
		if got, ok := Open().Holder(portOf(l)); !ok || got != want {
			t.Errorf("%s: got %v, %v; want %v", addr, got, ok, want)
		}
		l.Close()
		// A process that another test is starting may have it open until it execs.
		for end := time.Now().Add(30 * time.Second); ; time.Sleep(5 * time.Millisecond) {
			got, ok := Open().Holder(portOf(l))
			if !ok {
				break
			}
			if time.Now().After(end) {
				t.Fatalf("%s: closed, and still held by %v", addr, got)
			}
		}
	}
	if got := want.String(); got != fmt.Sprintf("pid %d (%s)", want.PID, want.Command) {
		t.Errorf("shown as %s", got)
	}
}

// holding starts a process that inherited l, and closes l here.
func holding(t *testing.T, l *net.TCPListener, attr *syscall.SysProcAttr) int {
	t.Helper()
	f, err := l.File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd := exec.Command(os.Args[0], "hold")
	cmd.ExtraFiles = []*os.File{f}
	cmd.SysProcAttr = attr
	run(t, cmd)
	l.Close()
	return cmd.Process.Pid
}

func TestHeldBy(t *testing.T) {
	t.Parallel()
	table := Open()
	l := listen(t, "tcp4", "127.0.0.1:0")
	inode := inodeOf(t, l)
	stranger := run(t, exec.Command(os.Args[0], "hold")).Process.Pid
	if !table.HeldBy(inode, os.Getpid()) {
		t.Error("not held by the process that has it open")
	}
	if table.HeldBy(inode, stranger) {
		t.Error("held by a process that has it not")
	}
	child := holding(t, l, nil)
	if !table.HeldBy(inode, child) || !table.HeldBy(inode, os.Getpid()) {
		t.Error("not held by a child that inherited it, or not by its parent")
	}
	if table.HeldBy(inode, stranger) {
		t.Error("held by another child")
	}
	if got, ok := table.Holder(portOf(l)); !ok || got.PID != child {
		t.Errorf("the holder is %v, %v; want %d", got, ok, child)
	}
}

// A process of the leader's group counts, whoever its parent is.
func TestHeldByGroup(t *testing.T) {
	t.Parallel()
	leader := exec.Command(os.Args[0], "hold")
	leader.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	run(t, leader)
	l := listen(t, "tcp4", "127.0.0.1:0")
	inode := inodeOf(t, l)
	other := holding(t, l, &syscall.SysProcAttr{Setpgid: true, Pgid: leader.Process.Pid})
	if !Open().HeldBy(inode, leader.Process.Pid) {
		t.Errorf("process %d is of the group, and does not count", other)
	}
}

func TestHeldByNobody(t *testing.T) {
	t.Parallel()
	gone := exec.Command(os.Args[0], "hold")
	if err := gone.Run(); err != nil { // its standard input is the null device
		t.Fatal(err)
	}
	l := listen(t, "tcp4", "127.0.0.1:0")
	if Open().HeldBy(inodeOf(t, l), gone.Process.Pid) {
		t.Error("held by a process that is no more")
	}
}

// What a user cannot look into may hold anything: a leader, or one of its descendants. Root can look into all.
func TestHeldByInDoubt(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Parallel()
		cmd := exec.Command("/proc/self/exe", "-test.run=^TestHeldByInDoubt$", "-test.v")
		cmd.Dir = "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS") {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	const inode = 1 // of no socket
	open := run(t, exec.Command("/proc/self/exe", "hold")).Process.Pid
	closed := run(t, exec.Command("/proc/self/exe", "closed")).Process.Pid
	for pid, want := range map[int]bool{open: false, closed: true, os.Getpid(): true} {
		if new(Table).HeldBy(inode, pid) != want {
			t.Errorf("process %d of the test's %d, open %d and closed %d: held is not %v", pid, os.Getpid(), open, closed, want)
		}
	}
}

// A port that a connection has, and on which nobody listens, is held by no process.
func TestHolderIsAConnection(t *testing.T) {
	t.Parallel()
	l := listen(t, "tcp4", "127.0.0.1:0")
	conn, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	h, ok := new(Table).Holder(conn.LocalAddr().(*net.TCPAddr).Port)
	if !ok || h.PID != 0 || !strings.HasPrefix(h.String(), "a connection ") {
		t.Errorf("got %v, %v", h, ok)
	}
}

// A command may be called anything, parentheses and spaces included.
func TestReadFamily(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "a) Z 1 1 (b")
	if err := os.Symlink(os.Args[0], name); err != nil {
		t.Fatal(err)
	}
	pid := run(t, exec.Command(name, "hold")).Process.Pid
	entry := readFamily()[pid]
	if entry.parent != os.Getpid() || entry.group != syscall.Getpgrp() {
		t.Errorf("got %+v", entry)
	}
}
