//go:build linux

package integration

import (
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// startLimited runs zrd with at most n descriptors.
func startLimited(t *testing.T, h *Home, n int) *Daemon {
	t.Helper()
	cmd := daemonCommand(h)
	script := fmt.Sprintf(`ulimit -n %d; exec "$@"`, n)
	return startCommand(t, h, exec.Command("sh", append([]string{"-c", script, "sh"}, cmd.Args...)...))
}

// When clients and services want more descriptors than there are, the daemon does not spin. It
// serves good clients and restarts a service that crashes, and later all is as before. With few
// services there is room for all clients that the daemon takes at once; with many, accept fails.
func TestTooFewDescriptors(t *testing.T) {
	t.Parallel()
	needFiles(t, 500)
	for _, services := range []int{3, 20} {
		t.Run(fmt.Sprint(services, " services"), func(t *testing.T) {
			t.Parallel()
			h := newHome(t)
			d := startLimited(t, h, 64)
			for i := range services {
				name := fmt.Sprintf("s%d", i)
				d.MustStart(name, h.Install(name, Behaviour{}))
			}
			rest := restingDescriptors(t, d)
			clients := connect(d, 200)
			wantIdle(t, d, 3, services+20, func() {
				d.MustPing()
				if s := d.Crash("s0"); s.Failures > 1 {
					t.Errorf("a lack of descriptors was counted as a failure: %+v", s)
				}
				d.MustPing()
			})
			if services == 3 && strings.Contains(d.Log.String(), "accept error") {
				t.Error("clients took the descriptors for services")
			}
			for _, conn := range clients {
				conn.Close()
			}
			eventually(t, "descriptors as at rest", func() bool { return descriptors(t, d.Pid()) <= rest })
		})
	}
}

// wantIdle runs do, and waits until 3 s have passed. The daemon may use one part in share of the
// time, and write lines and one more a second to its log.
func wantIdle(t *testing.T, d *Daemon, share, lines int, do func()) {
	t.Helper()
	began, before := time.Now(), processorTime(t, d.Pid())
	do()
	time.Sleep(time.Until(began.Add(3 * time.Second))) // long enough for a spin to show
	used, took := processorTime(t, d.Pid())-before, time.Since(began)
	if used > took/time.Duration(share) && !raceEnabled {
		t.Errorf("the daemon used %v of processor time in %v", used, took)
	}
	if n := strings.Count(d.Log.String(), "\n"); n > lines+int(took.Seconds()) {
		t.Errorf("%d lines in the log:\n%s", n, d.Log)
	}
}

// limitDescriptors changes the limit of a running process.
func limitDescriptors(t *testing.T, pid int, cur uint64) {
	t.Helper()
	limit := syscall.Rlimit{Cur: cur, Max: 1024}
	_, _, errno := syscall.RawSyscall6(syscall.SYS_PRLIMIT64, uintptr(pid), syscall.RLIMIT_NOFILE, uintptr(unsafe.Pointer(&limit)), 0, 0, 0)
	if errno != 0 {
		t.Skip("cannot change the limit: ", errno)
	}
}

// A client that cannot be accepted waits, and the daemon does not spin meanwhile.
func TestAcceptErrorsTakeNoTime(t *testing.T) {
	t.Parallel()
	d := startDaemon(t, newHome(t))
	d.MustPing()
	limitDescriptors(t, d.Pid(), 3)
	reply := make(chan string, 1)
	go func() {
		line, err := ask(d.Addr, `{"request":"ping"}`)
		reply <- line + fmt.Sprint(err)
	}()
	d.WaitLog("daemon: accept error: ")
	wantIdle(t, d, 30, 5, func() {})
	limitDescriptors(t, d.Pid(), 1024)
	want(t, "the client", <-reply, okLine+"<nil>")
}
