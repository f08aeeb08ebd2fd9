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

// A service gets none of the descriptors that the daemon inherited.
func TestNoDescriptorsBeyondThree(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "note")
	h := startHelper(t, "careless", os.Args[0], rolePrefix+"descriptors", path)
	if got := h.line(t); got != "exit status 0" {
		t.Errorf("the process: %s", got)
	}
	if got := read(path); got != "0 1 2" {
		t.Errorf("it has the descriptors %s", got)
	}
}

// cat leaves its signals as it found them, while a Go program changes them.
func TestNoSignalIgnoredOrBlocked(t *testing.T) {
	t.Parallel()
	cat, err := exec.LookPath("cat")
	if err != nil {
		t.Skip("needs cat to show the signals of a process:", err)
	}
	h := startHelper(t, "careless", cat, "/proc/self/status")
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

// A process dies with the daemon, even if the daemon gets SIGKILL.
func TestParentDeath(t *testing.T) {
	t.Parallel()
	for range 5 {
		path := filepath.Join(t.TempDir(), "note")
		h := startHelper(t, "daemon", os.Args[0], rolePrefix+"ignore-term", path)
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

// Nor does it die with a thread that ends later: only the Starter's own thread forks.
func TestLaterThreadDeath(t *testing.T) {
	t.Parallel()
	s := starter()
	for range 20 {
		var p *Process
		done := make(chan struct{})
		go func() {
			p, _ = start(t, s, "sleep", "")
			runtime.LockOSThread() // likely the thread that ran last; it ends with the goroutine
			close(done)
		}()
		<-done
		time.Sleep(10 * time.Millisecond)
		p.Terminate()
		wantExit(t, p, "signal: terminated")
	}
}

func TestNoDescriptorIsLeft(t *testing.T) {
	t.Parallel()
	if got := startHelper(t, "leftover").line(t); got != "0" {
		t.Errorf("a process leaves %s descriptors open", got)
	}
}

// Without a descriptor for a pidfd, Wait keeps a thread instead.
func TestWithoutPidfd(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "note")
	h := startHelper(t, "starved", os.Args[0], rolePrefix+"parent", path, "ignore-term")
	if got := h.line(t); got != "exit status 3" {
		t.Errorf("the process: %s", got)
	}
	if pid := notedPid(t, path); alive(pid) {
		t.Error("a grandchild outlived the leader")
	}
}

// Zombies do not count, so that an init that is slow to reap them delays nothing.
func TestZombiesAreNotAlive(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(os.Args[0], rolePrefix+"sleep", "")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	group := cmd.Process.Pid
	if !groupLives(group) {
		t.Error("a group with a sleeping process does not live")
	}
	cmd.Process.Kill()
	eventually(t, "the end of the group", func() bool { return !groupLives(group) })
	if err := syscall.Kill(-group, 0); err != nil {
		t.Errorf("its zombie is not there: %v", err)
	}
	cmd.Wait()
}
