package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// containment returns the second line of the log, which says how services are contained, and the
// folder of their cgroups, or "".
func (d *Daemon) containment() (line, dir string) {
	d.t.Helper()
	eventually(d.t, "the second line of the log", func() bool { return strings.Count(d.Log.String(), "\n") >= 2 })
	line = strings.Split(d.Log.String(), "\n")[1]
	return line, regexp.MustCompile(`/.*/zrd-[^/]*$`).FindString(line)
}

// cgroup returns the folder of the daemon's cgroups, or skips the test where there are none.
func (d *Daemon) cgroup(t *testing.T) string {
	t.Helper()
	line, dir := d.containment()
	if dir == "" {
		t.Skip("no cgroups here: " + line)
	}
	return dir
}

// A child in another session ends with its service, in whatever way that ends.
func TestNothingEscapes(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	d := startDaemon(t, h)
	dir := d.cgroup(t)
	stays := h.Install("stays", Behaviour{Escapes: true})
	d.MustStart("stays", stays)
	last := h.WaitEvent("stays", "child")
	if _, err := os.Stat(filepath.Join(dir, "stays")); err != nil {
		t.Error(err)
	}
	d.WaitDetails("stays", "two processes", func(s Details) bool { return s.Processes == 2 })
	d.WaitLog("daemon: services are contained by cgroups below " + dir + "\n")
	for name, end := range map[string]func(t *testing.T, name string, port int){
		"stop": func(t *testing.T, name string, _ int) {
			d.MustStop(name)
		},
		"crash": func(t *testing.T, name string, _ int) {
			h.Behave(name, Behaviour{})
			d.Crash(name)
		},
		"give-up": func(t *testing.T, name string, port int) {
			h.Behave(name, Behaviour{Escapes: true, CrashAfter: 50})
			h.Kill(name)
			d.WaitStatus(entry(name, port, "failed"))
		},
		"failed-start": func(t *testing.T, name string, port int) {
			d.MustStop(name)
			h.Behave(name, Behaviour{Escapes: true, ExitAtOnce: number(1)})
			failure(t, d.Start(name))
		},
	} {
		port := h.Install(name, Behaviour{Escapes: true})
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d.MustStart(name, port)
			h.WaitEvent(name, "child")
			end(t, name, port)
			wantGone(t, "after its service", h.Pids(name, "child")...)
		})
	}
	t.Cleanup(func() { // after the subtests
		want(t, "shutdown", d.Ask(`{"request":"shutdown"}`), okLine)
		d.WaitExit(0)
		wantGone(t, "after the daemon", last)
		if _, err := os.Stat(dir); !os.IsNotExist(err) {
			t.Errorf("the daemon left its folder %s: %v", dir, err)
		}
	})
}

// A parentCgroup is a cgroup in which only daemons of this test start.
type parentCgroup struct {
	t   *testing.T
	dir *os.File
}

func newParentCgroup(t *testing.T) *parentCgroup {
	t.Helper()
	beside := startDaemon(t, newHome(t)).cgroup(t)
	dir, err := os.MkdirTemp(filepath.Dir(beside), "zr-test-")
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		f.Close()
		eventually(t, "an empty cgroup", func() bool { return os.Remove(dir) == nil })
	})
	return &parentCgroup{t, f}
}

// command returns a command that starts a daemon in the cgroup.
func (p *parentCgroup) command(h *Home) *exec.Cmd {
	cmd := daemonCommand(h)
	cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(p.dir.Fd())}
	return cmd
}

// folders returns the folders of the daemons in the cgroup.
func (p *parentCgroup) folders() []string {
	folders, _ := filepath.Glob(filepath.Join(p.dir.Name(), "zrd-*"))
	return folders
}

// A daemon that gets SIGKILL leaves a child of a service, which has the service's port. The next
// daemon in the same cgroup ends that child before it starts anything. It does not touch the
// services of a daemon that lives.
func TestNextDaemonCleansUp(t *testing.T) {
	t.Parallel()
	p := newParentCgroup(t)
	other := newHome(t)
	other.Install("kv", Behaviour{Escapes: true}, eager)
	neighbour := startCommand(t, other, p.command(other))
	untouched := other.WaitEvent("kv", "child")
	neighbour.WaitStatus(`"running"`)

	h := newHome(t)
	port := h.Install("kv", Behaviour{GrandchildServes: true, ChildLeaves: true}, eager)
	d := startCommand(t, h, p.command(h))
	d.WaitStatus(entry("kv", port, "running"))
	orphan := h.Last("kv", "listen")
	d.Kill()
	if !alive(orphan) || free(port) {
		t.Error("SIGKILL of the daemon left no process")
	}
	h.Behave("kv", Behaviour{})
	d = startCommand(t, h, p.command(h))
	d.WaitStatus(entry("kv", port, "running"))
	d.WantNoFailure("kv")
	wantGone(t, "after the start of the next daemon", orphan)
	if !alive(untouched) || len(other.Pids("kv", "start")) != 1 {
		t.Error("the service of the other daemon has ended")
	}
	if folders := p.folders(); len(folders) != 2 {
		t.Errorf("two daemons have the folders %q", folders)
	}
	for _, d := range []*Daemon{neighbour, d} {
		d.Signal(syscall.SIGTERM)
		d.WaitExit(0)
	}
	if folders := p.folders(); len(folders) != 0 {
		t.Errorf("the daemons have not removed %q", folders)
	}
}
