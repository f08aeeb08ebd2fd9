//go:build unix

package supervisor

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"zr/internal/health"
	"zr/internal/packages"
)

// Without descriptors the daemon cannot look up the owner of a socket, so the probe has no verdict.
// The limit holds for a whole program, so the test runs in a process of its own.
func TestProbeWithoutDescriptors(t *testing.T) {
	if os.Getenv("SUPERVISOR_TEST_ALONE") == "" {
		t.Parallel()
		cmd := exec.Command(os.Args[0], "-test.run=^TestProbeWithoutDescriptors$", "-test.v")
		cmd.Env = append(os.Environ(), "SUPERVISOR_TEST_ALONE=1")
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS") {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	l, err := net.Listen("tcp4", "127.0.0.1:0") // makes the runtime open its poller
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	limit.Cur = 3
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	i := &instance{table: &fakeTable{listeners: []uint32{7, 7}}}
	i.pkg = packages.Service{Port: l.Addr().(*net.TCPAddr).Port, Health: "/", HealthTimeout: time.Second}
	if err := i.Ask().Wait(t.Context()); !errors.Is(err, health.ErrNoVerdict) {
		t.Errorf("got %v", err)
	}
}
