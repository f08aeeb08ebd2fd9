package sockets

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// Other processes are the test binary itself: "hold" keeps open what it inherited, "closed" hides
// its descriptors from its own user, "dial ADDR" connects. Each prints "ready", and ends with its
// standard input.
func TestMain(m *testing.M) {
	if len(os.Args) < 2 || os.Args[1] != "hold" && os.Args[1] != "closed" && os.Args[1] != "dial" {
		if os.Geteuid() == 0 {
			os.Chmod("/proc/self/exe", 0o755) // another user runs it too
		}
		os.Exit(m.Run())
	}
	if os.Args[1] == "dial" {
		if _, err := net.Dial("tcp", os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	if os.Args[1] == "closed" { // like a program with capabilities
		const dumpable = 4
		syscall.RawSyscall(syscall.SYS_PRCTL, dumpable, 0, 0)
	}
	fmt.Println("ready")
	io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}

// run starts cmd, waits until it is ready, and ends it with the test.
func run(t *testing.T, cmd *exec.Cmd) *exec.Cmd {
	t.Helper()
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		cmd.Process.Kill()
		cmd.Wait()
	})
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		t.Fatalf("the other process said %q, %v", line, err)
	}
	return cmd
}

// tables runs a test with each of the two ways to ask the kernel.
func tables(t *testing.T, test func(*testing.T, *Table)) {
	t.Helper()
	t.Run("proc", func(t *testing.T) {
		t.Parallel()
		test(t, &Table{})
	})
	t.Run("diag", func(t *testing.T) {
		t.Parallel()
		table := Open()
		if table.diag == nil && lists() {
			t.Fatal("this kernel has sock_diag, but it is not used")
		}
		if table.diag == nil {
			t.Skip("this kernel has no sock_diag")
		}
		t.Cleanup(func() { syscall.Close(table.diag.fd) })
		test(t, table)
	})
}

// lists reports whether sock_diag lists the listeners of this machine.
func lists() bool {
	fd, err := syscall.Socket(syscall.AF_NETLINK, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, netlinkSockDiag)
	if err != nil {
		return false
	}
	defer syscall.Close(fd)
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return false
	}
	defer l.Close()
	all := request(1, netip.AddrPort{}, netip.AddrPort{})
	binary.NativeEndian.PutUint16(all[6:], syscall.NLM_F_REQUEST|syscall.NLM_F_DUMP)
	var reply [64]byte
	if syscall.Sendto(fd, all, 0, &syscall.SockaddrNetlink{Family: syscall.AF_NETLINK}) == nil {
		syscall.Recvfrom(fd, reply[:], 0)
	}
	return binary.NativeEndian.Uint16(reply[4:]) == sockDiagByFamily
}

func listen(t *testing.T, network, addr string) *net.TCPListener {
	t.Helper()
	l, err := net.Listen(network, addr)
	if err != nil {
		if strings.Contains(addr, "::") {
			t.Skip("no IPv6 here:", err)
		}
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.(*net.TCPListener)
}

func portOf(l net.Listener) int { return l.Addr().(*net.TCPAddr).Port }

// connect returns both ends of a connection to l.
func connect(t *testing.T, l *net.TCPListener) (client, server *net.TCPConn) {
	t.Helper()
	return connectTo(t, l, l.Addr().String(), nil)
}

// connectTo is connect by way of another address of l, and from an address if it is not nil.
func connectTo(t *testing.T, l *net.TCPListener, addr string, from net.Addr) (client, server *net.TCPConn) {
	t.Helper()
	dialer := net.Dialer{LocalAddr: from}
	conn, err := dialer.Dial("tcp", addr)
	if err != nil && from != nil {
		t.Skipf("%v was taken meanwhile: %v", from, err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	accepted, err := l.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { accepted.Close() })
	return conn.(*net.TCPConn), accepted
}
