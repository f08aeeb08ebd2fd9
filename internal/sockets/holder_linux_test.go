package sockets

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// inodeOf returns the inode of a socket, by another way than the code under test.
func inodeOf(t *testing.T, l *net.TCPListener) (inode uint32) {
	t.Helper()
	control(l, func(fd int) { inode = inodeOfFD(t, fd) })
	return inode
}

func inodeOfFD(t *testing.T, fd int) uint32 {
	t.Helper()
	var st syscall.Stat_t
	if err := syscall.Fstat(fd, &st); err != nil {
		t.Fatal(err)
	}
	return uint32(st.Ino)
}

func wantListener(t *testing.T, table *Table, port int, want uint32) {
	t.Helper()
	got, err := table.Listener(port)
	if got != want || (want == 0) != errors.Is(err, fs.ErrNotExist) {
		t.Errorf("port %d: got %d, %v; want %d", port, got, err, want)
	}
}

func TestListener(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ network, addr string }{
		{"tcp4", "127.0.0.1:0"}, {"tcp4", "0.0.0.0:0"}, {"tcp", "[::]:0"},
	} {
		tables(t, func(t *testing.T, table *Table) {
			l := listen(t, c.network, c.addr)
			wantListener(t, table, portOf(l), inodeOf(t, l))
			connect(t, l) // a connection of the same port is no listener
			wantListener(t, table, portOf(l), inodeOf(t, l))
		})
	}
}

func TestNoListener(t *testing.T) {
	t.Parallel()
	tables(t, func(t *testing.T, table *Table) {
		_, port := bound(t, "", 0)                                // no other program can listen there
		l := listen(t, "tcp4", fmt.Sprintf("127.0.0.2:%d", port)) // a connection to 127.0.0.1 does not reach it
		client, _ := connect(t, l)
		for _, port := range []int{port, client.LocalAddr().(*net.TCPAddr).Port, 0, 65536} {
			wantListener(t, table, port, 0)
		}
	})
}

// bound returns a socket with options that is bound to a port of 127.0.0.1, and the port.
func bound(t *testing.T, device string, reuse int) (fd, port int) {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if device != "" {
		if err := syscall.SetsockoptString(fd, syscall.SOL_SOCKET, syscall.SO_BINDTODEVICE, device); err != nil {
			t.Skipf("cannot bind a socket to a device: %v", err)
		}
	}
	syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, reuse)
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: loopback.As4()}); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fd, name.(*syscall.SockaddrInet4).Port
}

// A listener that is bound to the loopback device is found like any other.
func TestListenerOnADevice(t *testing.T) {
	t.Parallel()
	fd, port := bound(t, "lo", 1)
	if err := syscall.Listen(fd, 1); err != nil {
		t.Fatal(err)
	}
	tables(t, func(t *testing.T, table *Table) {
		wantListener(t, table, port, inodeOfFD(t, fd))
		if h, blocked := blocker(table, port); !blocked || h.PID != os.Getpid() {
			t.Errorf("the port is blocked: %v, by %v", blocked, h)
		}
	})
}

// Only a listener on 127.0.0.1 or on all addresses keeps a service from its port.
func TestBlocker(t *testing.T) {
	t.Parallel()
	comm, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	self := Holder{os.Getpid(), strings.TrimSpace(string(comm))}
	for host, want := range map[string]bool{
		"127.0.0.1": true, "0.0.0.0": true, "[::]": true, "127.0.0.2": false, "[::1]": false,
	} {
		port := 0
		if !want {
			_, port = bound(t, "", 0) // no other program can listen on 127.0.0.1 there
		}
		l, err := net.Listen("tcp", fmt.Sprintf("%s:%d", host, port))
		if err != nil {
			t.Logf("cannot listen on %s: %v", host, err)
			continue
		}
		got, blocked := blocker(Open(), portOf(l.(*net.TCPListener)))
		if blocked != want || blocked && got != self {
			t.Errorf("%s: blocked is %v, by %v", host, blocked, got)
		}
		l.Close()
	}
	if got := self.String(); got != fmt.Sprintf("pid %d (%s)", self.PID, self.Command) {
		t.Errorf("shown as %s", got)
	}
}

// blocker calls Blocker while no child can be forked, which would hold the listener, too.
func blocker(table *Table, port int) (Holder, bool) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	return table.Blocker(port)
}

// Neither a connection nor a socket that does not listen blocks a port, with SO_REUSEADDR or
// without.
func TestConnectionsBlockNothing(t *testing.T) {
	t.Parallel()
	l := listen(t, "tcp4", "127.0.0.1:0")
	client, _ := connect(t, l)
	_, port := bound(t, "", 0)
	for _, port := range []int{client.LocalAddr().(*net.TCPAddr).Port, port} {
		if h, blocked := Open().Blocker(port); blocked {
			t.Errorf("port %d is blocked by %v", port, h)
		}
	}
}

// holding starts a process that inherited l, and closes l here.
func holding(t *testing.T, l *net.TCPListener) int {
	t.Helper()
	f, err := l.File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd := exec.Command(os.Args[0], "hold")
	cmd.ExtraFiles = []*os.File{f}
	run(t, cmd)
	l.Close()
	return cmd.Process.Pid
}

func wantHeld(t *testing.T, inode uint32, pid int, held, sure bool) {
	t.Helper()
	if gotHeld, gotSure := new(Table).Held(inode, pid); gotHeld != held || gotSure != sure {
		t.Errorf("process %d: held %v, sure %v; want %v, %v", pid, gotHeld, gotSure, held, sure)
	}
}

func TestHeld(t *testing.T) {
	t.Parallel()
	l := listen(t, "tcp4", "127.0.0.1:0")
	inode := inodeOf(t, l)
	stranger := run(t, exec.Command(os.Args[0], "hold")).Process.Pid
	wantHeld(t, inode, os.Getpid(), true, true)
	wantHeld(t, inode, stranger, false, true)
	child := holding(t, l)
	wantHeld(t, inode, child, true, true)
	syscall.ForkLock.RLock() // waits for children that were forked while this process had it
	got, ok := Open().Holder(inode)
	syscall.ForkLock.RUnlock()
	if !ok || got.PID != child {
		t.Errorf("the holder is %v, %v; want %d", got, ok, child)
	}
	if got, ok := Open().Holder(0); ok {
		t.Errorf("%v holds a socket that nobody has", got)
	}
	if held, sure := new(Table).Held(inode, stranger, child); !held || !sure {
		t.Errorf("one of two has it: held %v, sure %v", held, sure)
	}
}

// Held is not sure about a process whose descriptors are hidden. None are hidden from root.
func TestHeldInDoubt(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Parallel()
		cmd := exec.Command("/proc/self/exe", "-test.run=^TestHeldInDoubt$", "-test.v")
		cmd.Dir = "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS") {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	const inode = 1 // of no socket
	wantHeld(t, inode, run(t, exec.Command("/proc/self/exe", "hold")).Process.Pid, false, true)
	wantHeld(t, inode, run(t, exec.Command("/proc/self/exe", "closed")).Process.Pid, false, false)
}

// /proc may show the processes of another namespace, under other numbers. Nothing in it is taken for
// a process of this one.
func TestForeignProc(t *testing.T) {
	if os.Getenv("SOCKETS_TEST_ALONE") == "" {
		t.Parallel()
		cmd := exec.Command(os.Args[0], "-test.run=^TestForeignProc$", "-test.v")
		cmd.Env = append(os.Environ(), "SOCKETS_TEST_ALONE=1")
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}
		if out, err := cmd.CombinedOutput(); errors.Is(err, syscall.EPERM) {
			t.Skip("only root can make a namespace of processes")
		} else if err != nil || !strings.Contains(string(out), "--- PASS") {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	l := listen(t, "tcp4", "127.0.0.1:0")
	wantHeld(t, inodeOf(t, l), os.Getpid(), false, false)
	if h, blocked := Open().Blocker(portOf(l)); !blocked || h != (Holder{}) {
		t.Errorf("blocked: %v, by %v", blocked, h)
	}
}
