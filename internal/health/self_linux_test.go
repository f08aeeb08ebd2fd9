package health

import (
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"unsafe"
)

// If the system has only two ports for the local ends of connections, every second connection to
// one of them reaches itself while no service listens. It must not keep the service from the port.
func TestProbeOfALocalPort(t *testing.T) {
	if os.Getenv("HEALTH_TEST_NETWORK") == "" {
		t.Parallel()
		cmd := exec.Command(os.Args[0], "-test.run=^TestProbeOfALocalPort$", "-test.v")
		cmd.Env = append(os.Environ(), "HEALTH_TEST_NETWORK=1")
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET,
			UidMappings: []syscall.SysProcIDMap{{HostID: os.Geteuid(), Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{HostID: os.Getegid(), Size: 1}},
		}
		out, err := cmd.CombinedOutput()
		if cmd.Process == nil {
			t.Skipf("no network of the test's own: %v", err)
		}
		if err != nil || !strings.Contains(string(out), "--- PASS") {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	bringUp(t, "lo")
	if err := os.WriteFile("/proc/sys/net/ipv4/ip_local_port_range", []byte("40000 40001"), 0); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		for _, port := range []int{40000, 40001} {
			want(t, probe(t.Context(), port, "/", timeout), "connection refused")
		}
	}
	for _, addr := range []string{":40000", ":40001"} {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			t.Fatalf("after the probes: %v", err)
		}
		l.Close()
	}
}

func bringUp(t *testing.T, name string) {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_DGRAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	var ifreq struct {
		name  [16]byte
		flags uint16
		_     [22]byte
	}
	copy(ifreq.name[:], name)
	ifreq.flags = syscall.IFF_UP
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, uintptr(fd), syscall.SIOCSIFFLAGS, uintptr(unsafe.Pointer(&ifreq))); errno != 0 {
		t.Fatal(errno)
	}
}
