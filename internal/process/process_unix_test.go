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
			t.Errorf("%s: still there after Wait", c.role)
		}
	}
}

// A process that has stopped itself does not act on SIGTERM, but SIGKILL ends it.
func TestStopped(t *testing.T) {
	t.Parallel()
	p, path := start(t, starter(), "sleep")
	notedPid(t, path)
	syscall.Kill(p.Pid(), syscall.SIGSTOP)
	p.Terminate()
	p.Kill()
	wantExit(t, p, "signal: killed")
}

// When the leader exits, the rest of its group goes with it, before Wait
// returns; also when the leader was killed, and when the rest ignores SIGTERM.
func TestSweep(t *testing.T) {
	t.Parallel()
	for _, child := range []string{"sleep", "ignore-term"} {
		p, path := start(t, starter(), "parent", child)
		wantExit(t, p, "exit status 3")
		if pid := notedPid(t, path); alive(pid) {
			t.Errorf("a grandchild (%s) outlived the leader", child)
		}
	}
}

// After Terminate, the rest of the group goes on until it has ended or Kill, though the leader is
// gone. The leader here waits for its child to take the signal, and then exits.
func TestGroupKeepsItsGrace(t *testing.T) {
	t.Parallel()
	p, path := start(t, starter(), "wrapper")
	child := notedPid(t, path)
	exited := make(chan string, 1)
	go func() { exited <- p.Wait() }()
	p.Terminate()
	eventually(t, "the end of the leader", func() bool { return !alive(p.Pid()) })
	eventually(t, "the child's note that it was asked", func() bool { return read(path) == "asked" })
	if !alive(child) {
		t.Error("the child was killed though its grace had not passed")
	}
	select {
	case how := <-exited:
		t.Errorf("the service counts as gone: %s", how)
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
		t.Errorf("the other of the group: %v, %v", state, err)
	}
	wantExit(t, leader, "signal: terminated")
}

// A leader that has moved to another group is signalled, and nobody else
// of that group, which is the tests' own.
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

// Once the leader has been reaped its number may be somebody else's: nothing is
// sent to it any more.
func TestNoSignalAfterReap(t *testing.T) {
	t.Parallel()
	p, err := starter().Start(command(os.Args[0], rolePrefix+"exit", "0"))
	if err != nil {
		t.Fatal(err)
	}
	wantExit(t, p, "exit status 0")
	victim, path := start(t, starter(), "sleep")
	notedPid(t, path)
	p.leader = victim.leader // as if the number had been given again
	p.Terminate()
	p.Kill()
	syscall.Kill(victim.Pid(), syscall.SIGINT) // what ends it, if nothing did before
	if got := victim.Wait(); got != "exit status 2" && got != "signal: interrupt" {
		t.Errorf("the next with that number got %q", got)
	}
}

// Signals while the process exits and is reaped must not race with that.
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
		if got := p.Wait(); got != "exit status 0" && !strings.HasPrefix(got, "signal: ") { // so many may crash it as well
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
		syscall.ForkLock.RLock() // a process forked meanwhile would hold it open for writing: "text file busy"
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
		if err == nil { // on Linux the stage reports it
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
	p, err := starter().Start(command(os.Args[0], rolePrefix+"exit", "0")) // and it starts others as before
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
