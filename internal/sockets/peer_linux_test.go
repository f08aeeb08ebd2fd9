package sockets

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// wantPeer looks up the user at the other end of conn. An error is wanted if it is not nil.
func wantPeer(t *testing.T, table *Table, conn net.Conn, want int, wantErr error) {
	t.Helper()
	uid, err := table.PeerUID(conn)
	if err != wantErr || err == nil && int(uid) != want {
		t.Errorf("the peer of %v: got %d, %v; want %d, %v", conn.LocalAddr(), uid, err, want, wantErr)
	}
}

func TestPeerUID(t *testing.T) {
	t.Parallel()
	for _, addr := range []string{"127.0.0.1:0", "[::1]:0", "127.0.0.53:0"} {
		tables(t, func(t *testing.T, table *Table) {
			client, server := connect(t, listen(t, "tcp", addr))
			wantPeer(t, table, client, os.Geteuid(), nil)
			wantPeer(t, table, server, os.Geteuid(), nil)
			client.CloseWrite() // it still waits for a reply
			wantPeer(t, table, server, os.Geteuid(), nil)
		})
	}
}

// A listener on all addresses has IPv4 clients under mapped IPv6 addresses.
func TestPeerUIDMapped(t *testing.T) {
	t.Parallel()
	tables(t, func(t *testing.T, table *Table) {
		l := listen(t, "tcp", "[::]:0")
		_, server := connectTo(t, l, fmt.Sprintf("127.0.0.1:%d", portOf(l)), nil)
		wantPeer(t, table, server, os.Geteuid(), nil)
	})
}

// The kernel shows the remains of a closed client as user 0.
func TestPeerUIDClosed(t *testing.T) {
	t.Parallel()
	for _, linger := range []int{-1, 0} { // 0: the client resets the connection
		tables(t, func(t *testing.T, table *Table) {
			syscall.ForkLock.RLock() // a child that is forked now would keep the client open
			defer syscall.ForkLock.RUnlock()
			client, server := connect(t, listen(t, "tcp", "127.0.0.1:0"))
			client.SetLinger(linger)
			client.Close()
			wantPeer(t, table, server, 0, ErrClosed)
		})
	}
}

// A client has reset its connection, and another process listens on its port by now. The kernel
// returns that listener, because it finds no connection. It is not taken for the client.
func TestPeerUIDClosedBehindListener(t *testing.T) {
	t.Parallel()
	tables(t, func(t *testing.T, table *Table) {
		l := listen(t, "tcp", "127.0.0.1:0")
		for range 100 { // the system may have given the port to another connection too
			client, server := connect(t, l)
			client.SetLinger(0)
			client.Close()
			next, err := net.Listen("tcp4", fmt.Sprintf("0.0.0.0:%d", client.LocalAddr().(*net.TCPAddr).Port))
			if err == nil {
				defer next.Close()
				wantPeer(t, table, server, 0, ErrClosed)
				return
			}
		}
		t.Fatal("cannot listen on a client's port")
	})
}

// A client resets its connection, and another client connects from the same port before the user of
// the first is looked up. The second is not taken for the first.
func TestPeerUIDOfReusedPort(t *testing.T) {
	t.Parallel()
	for _, addr := range []string{"127.0.0.1:0", "[::1]:0"} {
		tables(t, func(t *testing.T, table *Table) {
			l := listen(t, "tcp", addr)
			first, server := connect(t, l)
			first.SetLinger(0)
			first.Close()
			_, next := connectTo(t, l, l.Addr().String(), first.LocalAddr())
			wantPeer(t, table, server, 0, ErrClosed)
			wantPeer(t, table, next, os.Geteuid(), nil)
		})
	}
}

// A socket that is still connecting is not taken for a client.
func TestConnectingSocketIsNoPeer(t *testing.T) {
	t.Parallel()
	tables(t, func(t *testing.T, table *Table) {
		client, server := connecting(t)
		if s, err := table.findPeer(client, server); err == nil && s.isConnected() {
			t.Errorf("got %+v", s)
		}
	})
}

// connecting returns the addresses of a socket in SYN_SENT. The queue of its listener is full.
func connecting(t *testing.T) (client, server netip.AddrPort) {
	t.Helper()
	l := listen(t, "tcp4", "127.0.0.1:0")
	control(l, func(fd int) { syscall.Listen(fd, 0) })
	to := l.Addr().(*net.TCPAddr).AddrPort()
	const synSent = 2
	for range 10 {
		fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { syscall.Close(fd) })
		syscall.Connect(fd, &syscall.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()})
		if info, _ := syscall.GetsockoptInet4Addr(fd, syscall.IPPROTO_TCP, syscall.TCP_INFO); info[0] == synSent {
			name, err := syscall.Getsockname(fd)
			if err != nil {
				t.Fatal(err)
			}
			from := name.(*syscall.SockaddrInet4)
			return netip.AddrPortFrom(netip.AddrFrom4(from.Addr), uint16(from.Port)), to
		}
	}
	t.Skip("the queue of a listener is never full here")
	return client, server
}

// Outside the first user namespace, one number may stand for many users.
func TestOverflowUID(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		uidMap, overflow string
		uid              uint32
		ambiguous        bool
	}{
		{"         0          0 4294967295\n", "65534\n", 65534, false},
		{"         0       1000          1\n", "65534\n", 65534, true},
		{"         0          0      65536\n", "65533\n", 65533, true},
		{"0 0 1000\n1000 1000 4294966295\n", "65534\n", 65534, true},
		{"", "", 65534, true},
	} {
		if uid, ambiguous := parseOverflow(c.uidMap, c.overflow); uid != c.uid || ambiguous != c.ambiguous {
			t.Errorf("%q: got %d, %v", c.uidMap, uid, ambiguous)
		}
	}
}

func TestIsForeign(t *testing.T) {
	t.Parallel()
	if IsForeign(listen(t, "tcp", "127.0.0.1:0")) {
		t.Error("the listener is in the namespace of this process")
	}
}

func TestPeerUIDOfOtherUser(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can start a process of another user")
	}
	const nobody = 65534
	tables(t, func(t *testing.T, table *Table) {
		l := listen(t, "tcp", "127.0.0.1:0")
		cmd := exec.Command("/proc/self/exe", "dial", l.Addr().String()) // the folder of the binary may be closed to others
		cmd.Dir = "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		run(t, cmd)
		server, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer server.Close()
		wantPeer(t, table, server, nobody, nil)
	})
}

func TestPeerUIDWithoutTCP(t *testing.T) {
	t.Parallel()
	conn, _ := net.Pipe()
	if _, err := new(Table).PeerUID(conn); err != ErrUnknown {
		t.Errorf("got %v", err)
	}
}

// A table that cannot be read is not a missing row, which would mean that a client has hung up.
func TestTablesThatCannotBeRead(t *testing.T) {
	t.Parallel()
	never := func(socket) bool { return false }
	table := filepath.Join(t.TempDir(), "tcp")
	if _, err := findIn(table, never); err == nil || errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing table: %v", err)
	}
	if err := os.WriteFile(table, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := findIn(table, never); err != os.ErrNotExist {
		t.Errorf("an empty table, and none of IPv6: %v", err)
	}
	if err := os.Mkdir(table+"6", 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := findIn(table, never); err == nil || errors.Is(err, os.ErrNotExist) {
		t.Errorf("a table of IPv6 that cannot be read: %v", err)
	}
}

// An answer that came too late is not taken for the next one.
func TestStaleAnswer(t *testing.T) {
	t.Parallel()
	d := openDiag()
	if d == nil {
		t.Skip("this kernel does not answer")
	}
	defer syscall.Close(d.fd)
	late, other := addrPort(listen(t, "tcp4", "127.0.0.1:0").Addr()), addrPort(listen(t, "tcp4", "127.0.0.1:0").Addr())
	to := &syscall.SockaddrNetlink{Family: syscall.AF_NETLINK}
	if err := syscall.Sendto(d.fd, request(d.seq, late, noPeer), 0, to); err != nil {
		t.Fatal(err)
	}
	first, err := d.find(other, noPeer)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := d.find(other, noPeer); first != again {
		t.Errorf("got %+v, then %+v, %v", first, again, err)
	}
}

func TestParseRow(t *testing.T) {
	t.Parallel()
	row := "   0: " + asKernel("0100007F:4A9C") + " " + asKernel("0200007F:C350") + " 01 00000000:00000000 00:00000000 00000000  1000        0 123456 1 0000000000000000 100 0 0 10 0"
	want := socket{netip.MustParseAddrPort("127.0.0.1:19100"), netip.MustParseAddrPort("127.0.0.2:50000"), established, 1000, 123456}
	if got, ok := parseRow(row); !ok || got != want {
		t.Errorf("got %+v, %v; want %+v", got, ok, want)
	}
	want.state = listening
	if got, ok := parseRow(strings.Replace(row, " 01 ", " 0A ", 1)); !ok || got != want {
		t.Errorf("listening: got %+v, %v; want %+v", got, ok, want)
	}
	for about, bad := range map[string]string{
		"empty": "", "heading": "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode",
		"cut": row[:80], "no local": strings.Replace(row, ":4A9C", "?", 1), "no remote": strings.Replace(row, ":C350", "", 1),
		"no uid": strings.Replace(row, "1000 ", "-1 ", 1), "no inode": strings.Replace(row, "123456", "x", 1),
		"uid of over 32 bits": strings.Replace(row, " 1000 ", " 4294967296 ", 1),
	} {
		if got, ok := parseRow(bad); ok {
			t.Errorf("%s: got %+v", about, got)
		}
	}
}

// asKernel converts an address from the notation of a little-endian machine to that of this
// machine. The kernel writes words of 32 bits.
func asKernel(text string) string {
	addr, port, _ := strings.Cut(text, ":")
	bits, err := hex.DecodeString(addr)
	if err != nil {
		panic(err)
	}
	for word := range slices.Chunk(bits, 4) {
		binary.NativeEndian.PutUint32(word, binary.LittleEndian.Uint32(word))
	}
	return fmt.Sprintf("%X:%s", bits, port)
}

func TestParseAddr(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"0100007F:4A9C":                         "127.0.0.1:19100",
		"00000000:0000":                         "0.0.0.0:0",
		"00000000000000000000000001000000:FFFF": "[::1]:65535",
		"00000000000000000000000000000000:0050": "[::]:80",
		"0000000000000000FFFF00000100007F:0016": "127.0.0.1:22", // mapped
		"B80D0120000000000000000001000000:0001": "[2001:db8::1]:1",
	} {
		if got, ok := parseAddr(asKernel(text)); !ok || got != netip.MustParseAddrPort(want) {
			t.Errorf("%s: got %v, %v; want %s", text, got, ok, want)
		}
	}
	for _, bad := range []string{"", ":", "0100007F", "0100007F:", ":4A9C", "0100007F:10000", "0100007F:-1", "0100007:4A9C", "010000:4A9C", "0100007F00000000:4A9C", "G100007F:4A9C", "0100007F:4A9C:1"} {
		if got, ok := parseAddr(bad); ok {
			t.Errorf("%q: got %v", bad, got)
		}
	}
}
