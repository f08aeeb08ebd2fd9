//go:build unix

package process

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

var starter = sync.OnceValue(func() *Starter { return newStarter(nil) })

func newStarter(stdout *os.File) *Starter {
	s, err := NewStarter(stdout, os.Stderr, "")
	if err != nil {
		panic(err)
	}
	return s
}

func TestExitStatus(t *testing.T) {
	t.Parallel()
	for _, status := range []int{0, 1, 42} {
		p, err := starter().Start(command(os.Args[0], rolePrefix+"exit", fmt.Sprint(status)))
		if err != nil {
			t.Fatal(err)
		}
		wantExit(t, p, fmt.Sprintf("exit status %d", status))
	}
}

func TestTerminateAndKill(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		role, want string
		do         func(*Process)
	}{
		{"sleep", "signal: terminated", (*Process).Terminate},
		{"sleep", "signal: killed", (*Process).Kill},
		{"ignore-term", "signal: killed", func(p *Process) { p.Terminate(); p.Kill() }},
	} {
		p, path := start(t, starter(), c.role)
		if pid := notedPid(t, path); pid != p.Pid() {
			t.Errorf("Pid says %d, the process %d", p.Pid(), pid)
		}
		if group, err := syscall.Getpgid(p.Pid()); err != nil || group != p.Pid() {
			t.Errorf("its group is %d, %v", group, err)
		}
		c.do(p)
		wantExit(t, p, c.want)
		if alive(p.Pid()) {
			t.Errorf("%s: it exists after Wait", c.role)
		}
	}
}

// A stopped process continues, so that it can act on SIGTERM.
func TestStopped(t *testing.T) {
	t.Parallel()
	p, path := start(t, starter(), "sleep")
	notedPid(t, path)
	syscall.Kill(p.Pid(), syscall.SIGSTOP)
	syscall.Wait4(p.Pid(), nil, syscall.WUNTRACED, nil) // until it has stopped
	p.Terminate()
	defer time.AfterFunc(10*time.Second, p.Kill).Stop()
	wantExit(t, p, "signal: terminated")
}

// When the leader exits by itself, Wait kills the rest of its group, even a process that ignores
// SIGTERM.
func TestCrashEndsTheGroup(t *testing.T) {
	t.Parallel()
	p, path := start(t, starter(), "parent", "ignore-term")
	wantExit(t, p, "exit status 3")
	if pid := notedPid(t, path); alive(pid) {
		t.Error("a grandchild outlived the leader")
	}
}

// After Terminate, the rest of the group may go on until Kill although the leader has exited.
func TestGroupKeepsItsGrace(t *testing.T) {
	t.Parallel()
	p, path := start(t, starter(), "wrapper")
	child := notedPid(t, path)
	exited := make(chan string, 1)
	go func() { exited <- p.Wait() }()
	p.Terminate()
	eventually(t, "the end of the leader", func() bool { return !alive(p.Pid()) })
	eventually(t, "SIGTERM at the child", func() bool { return read(path) == "asked" })
	if !alive(child) {
		t.Error("the child was killed before Kill")
	}
	select {
	case how := <-exited:
		t.Errorf("Wait returned before the child ended: %s", how)
	default:
	}
	p.Kill()
	<-exited
	if alive(child) {
		t.Error("the child outlived Kill")
	}
}

// Terminate and Kill reach the whole group.
func TestSignalsReachTheGroup(t *testing.T) {
	t.Parallel()
	leader, path := start(t, starter(), "sleep")
	notedPid(t, path)
	member, err := os.StartProcess(os.Args[0], []string{os.Args[0], rolePrefix + "sleep", path + "2"},
		&os.ProcAttr{Sys: &syscall.SysProcAttr{Setpgid: true, Pgid: leader.Pid()}})
	if err != nil {
		t.Fatal(err)
	}
	notedPid(t, path+"2")
	leader.Terminate()
	state, err := member.Wait()
	if err != nil || state.String() != "signal: terminated" {
		t.Errorf("the other member of the group: %v, %v", state, err)
	}
	wantExit(t, leader, "signal: terminated")
}

// A leader that has moved to another group is signalled. The rest of that group, which is the group
// of the tests, is not.
func TestLeaderThatMoved(t *testing.T) {
	t.Parallel()
	for want, do := range map[string]func(*Process){
		"signal: terminated": (*Process).Terminate, "signal: killed": (*Process).Kill,
	} {
		p, path := start(t, starter(), "mover")
		notedPid(t, path)
		do(p)
		wantExit(t, p, want)
	}
}

// After the leader has been reaped, another process may have its number, and gets no signal.
func TestNoSignalAfterReap(t *testing.T) {
	t.Parallel()
	p, err := starter().Start(command(os.Args[0], rolePrefix+"exit", "0"))
	if err != nil {
		t.Fatal(err)
	}
	wantExit(t, p, "exit status 0")
	victim, path := start(t, starter(), "sleep")
	notedPid(t, path)
	p.leader = victim.leader // as if it had the same number
	p.Terminate()
	p.Kill()
	syscall.Kill(victim.Pid(), syscall.SIGINT)
	if got := victim.Wait(); got != "exit status 2" && got != "signal: interrupt" {
		t.Errorf("the next process with that number: %q", got)
	}
}

// Signals may be sent while the process exits and is reaped.
func TestSignalsWhileItExits(t *testing.T) {
	t.Parallel()
	for range 20 {
		p, err := starter().Start(command(os.Args[0], rolePrefix+"exit", "0"))
		if err != nil {
			t.Fatal(err)
		}
		var hands sync.WaitGroup
		for range 4 {
			hands.Go(func() {
				for range 100 {
					p.Terminate()
				}
			})
		}
		// It dies of SIGTERM, or of so many signals.
		if got := p.Wait(); got != "exit status 0" && !strings.HasPrefix(got, "signal: ") {
			t.Errorf("got %q", got)
		}
		hands.Wait()
	}
}

func TestStartErrors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, content string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		syscall.ForkLock.RLock() // a child forked now would inherit the open file: "text file busy"
		defer syscall.ForkLock.RUnlock()
		if err := os.WriteFile(path, []byte(content), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, c := range []struct{ path, want string }{
		{file("interpreter", "#!/no/such/interpreter\n", 0o755), "no such file or directory: the interpreter or loader that it names"},
		{file("plain", "#!/bin/sh\n", 0o644), "permission denied: it is not executable (chmod +x)"},
		{file("text", "not a program\n", 0o755), "exec format error"},
		{file("empty", "", 0o755), "exec format error"},
		{dir, "permission denied: it is a folder"},
		{filepath.Join(dir, "missing"), "no such file or directory"},
	} {
		p, err := starter().Start(command(c.path))
		if err == nil { // on Linux the stage reports the error
			err = p.Executed()
			p.Kill()
			p.Wait()
		}
		if err == nil {
			t.Errorf("%s was started", c.path)
			continue
		}
		if want := c.path + ": " + c.want; err.Error() != want {
			t.Errorf("got  %q\nwant %q", err, want)
		}
	}
	p, err := starter().Start(command(os.Args[0], rolePrefix+"exit", "0")) // the Starter still works
	if err != nil {
		t.Fatal(err)
	}
	wantExit(t, p, "exit status 0")
}

// Not parallel: it changes the environment.
func TestEnvironment(t *testing.T) {
	for _, name := range managerVars {
		t.Setenv(name, "1")
	}
	t.Setenv("LISTEN_FDS_OF_MINE", "kept")
	t.Setenv("EMPTY", "")
	p, path := start(t, newStarter(nil), "environment")
	wantExit(t, p, "exit status 0")
	got := strings.Split(noted(t, path), "\n")
	var want []string
	for _, v := range os.Environ() {
		if name, _, _ := strings.Cut(v, "="); !slices.Contains(managerVars, name) {
			want = append(want, v)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
