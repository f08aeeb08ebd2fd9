package process

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// What the daemon itself was given in excess, its services do not get.
func TestNoDescriptorsBeyondThree(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "note")
	cmd := exec.Command(os.Args[0], rolePrefix+"careless", os.Args[0], rolePrefix+"descriptors", path)
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	cmd.ExtraFiles = []*os.File{null, nil, null, null}
	h := startHelper(t, cmd)
	h.line(t) // its number
	if got := h.line(t); got != "exit status 0" {
		t.Errorf("the process: %s", got)
	}
	if got := read(path); got != "0 1 2" {
		t.Errorf("it has the descriptors %s", got)
	}
}

// cat is a program that leaves signals as it found them; Go's own do not.
func TestNoSignalIgnoredOrBlocked(t *testing.T) {
	t.Parallel()
	cat, err := exec.LookPath("cat")
	if err != nil {
		t.Skip("needs cat to look at a process from its start:", err)
	}
	h := startHelper(t, exec.Command(os.Args[0], rolePrefix+"careless", cat, "/proc/self/status"))
	status := make(map[string]string)
	for line := h.line(t); line != "exit status 0"; line = h.line(t) {
		key, value, _ := strings.Cut(line, ":\t")
		status[key] = value
	}
	for _, key := range []string{"SigBlk", "SigIgn"} {
		if status[key] != "0000000000000000" {
			t.Errorf("%s is %q", key, status[key])
		}
	}
}

// A process dies with the daemon, however that dies.
func TestParentDeath(t *testing.T) {
	t.Parallel()
	for range 5 {
		path := filepath.Join(t.TempDir(), "note")
		h := startHelper(t, exec.Command(os.Args[0], rolePrefix+"daemon", os.Args[0], rolePrefix+"ignore-term", path))
		pid := notedPid(t, path)
		h.cmd.Process.Kill()
		eventually(t, fmt.Sprintf("the end of process %d", pid), func() bool { return !alive(pid) })
	}
}

// A process does not die with the thread that asked for it.
func TestThreadDeath(t *testing.T) {
	t.Parallel()
	for range 5 {
		var p *Process
		var path string
		tid := make(chan int)
		go func() {
			runtime.LockOSThread() // and never unlock: the thread ends with the goroutine
			p, path = start(t, starter(), "sleep")
			tid <- syscall.Gettid()
		}()
		task := fmt.Sprintf("/proc/self/task/%d", <-tid)
		notedPid(t, path)
		if task != fmt.Sprintf("/proc/self/task/%d", os.Getpid()) { // the first thread is never ended
			eventually(t, "the end of the thread", func() bool {
				_, err := os.Stat(task)
				return err != nil
			})
		}
		p.Terminate()
		wantExit(t, p, "signal: terminated")
	}
}

// Nor with a thread that ends after it: the one that forks is nobody else's.
func TestLaterThreadDeath(t *testing.T) {
	t.Parallel()
	s := starter()
	for range 20 {
		var p *Process
		done := make(chan struct{})
		go func() {
			p, _ = start(t, s, "sleep", "")
			runtime.LockOSThread() // likely the thread that ran last, and that ends with the goroutine
			close(done)
		}()
		<-done
		time.Sleep(10 * time.Millisecond)
		p.Terminate()
		wantExit(t, p, "signal: terminated")
	}
}

func TestCostOfAHundred(t *testing.T) {
	t.Parallel()
	h := startHelper(t, exec.Command(os.Args[0], rolePrefix+"hundred"))
	var threads, descriptors int
	if _, err := fmt.Sscanf(h.line(t)+"\n"+h.line(t), "threads %d\ndescriptors %d", &threads, &descriptors); err != nil {
		t.Fatal(err)
	}
	if threads > 20 {
		t.Errorf("%d threads for 100 processes", threads)
	}
	if descriptors != 0 {
		t.Errorf("%d descriptors were left", descriptors)
	}
}

// Without a descriptor for a pidfd, a thread waits instead, and the rest is the same.
func TestWithoutPidfd(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "note")
	h := startHelper(t, exec.Command(os.Args[0], rolePrefix+"starved", os.Args[0], rolePrefix+"parent", path, "ignore-term"))
	if got := h.line(t); got != "exit status 3" {
		t.Errorf("the process: %s", got)
	}
	if pid := notedPid(t, path); alive(pid) {
		t.Error("a grandchild outlived the leader")
	}
}
