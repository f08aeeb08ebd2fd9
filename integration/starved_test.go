//go:build linux

package integration

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// maxDescriptors changes the limit of a running process.
func maxDescriptors(t *testing.T, pid int, cur uint64) {
	t.Helper()
	limit := syscall.Rlimit{Cur: cur, Max: 1024}
	_, _, errno := syscall.RawSyscall6(syscall.SYS_PRLIMIT64, uintptr(pid), syscall.RLIMIT_NOFILE, uintptr(unsafe.Pointer(&limit)), 0, 0, 0)
	if errno != 0 {
		t.Skip("cannot change the limit: ", errno)
	}
}

// A client that cannot be accepted waits, and the daemon does not spend its time on it meanwhile.
func TestAcceptErrorsTakeNoTime(t *testing.T) {
	t.Parallel()
	d := startDaemon(t, newHome(t))
	d.MustPing()
	maxDescriptors(t, d.Pid(), 3)
	reply := make(chan string, 1)
	go func() {
		line, err := ask(d.Addr, `{"request":"ping"}`)
		reply <- line + fmt.Sprint(err)
	}()
	d.WaitLog("daemon: accept error: ")
	began, before := time.Now(), processorTime(t, d.Pid())
	time.Sleep(3 * time.Second) // long enough for a spin to show
	used, took := processorTime(t, d.Pid())-before, time.Since(began)
	if used > took/30 && !raceEnabled {
		t.Errorf("%v without descriptors took %v of the processor", took, used)
	}
	if n := strings.Count(d.Log.String(), "accept error"); n > 3+int(took.Seconds()) {
		t.Errorf("%d lines about it", n)
	}
	maxDescriptors(t, d.Pid(), 1024)
	want(t, "the client", <-reply, okLine+"<nil>")
}
