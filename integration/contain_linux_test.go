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

// containment returns the second line of the log, which says how services are contained, and the folder of
// their cgroups, if there are any.
func (d *Daemon) containment() (line, dir string) {
	d.t.Helper()
	eventually(d.t, "the second line of the log", func() bool { return strings.Count(d.Log.String(), "\n") >= 2 })
	line = strings.Split(d.Log.String(), "\n")[1]
	return line, regexp.MustCompile(`/.*/zrd-[^/]*$`).FindString(line)
}

// cgroup returns the folder of the daemon's cgroups. The test is skipped where there is none.
func (d *Daemon) cgroup(t *testing.T) string {
	t.Helper()
	line, dir := d.containment()
	if dir == "" {
		t.Skip("no cgroups here: " + line)
	}
	return dir
}

// A child of a service that is in a session of its own ends when the service does, however that is.
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

// A place is a cgroup in which no other daemons start than those of the test.
type place struct {
	t   *testing.T
	dir *os.File
}

func newPlace(t *testing.T) *place {
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
		eventually(t, "an empty place", func() bool { return os.Remove(dir) == nil })
	})
	return &place{t, f}
}

// command makes a daemon start in the place.
func (p *place) command(h *Home) *exec.Cmd {
	cmd := daemonCommand(h)
	cmd.SysProcAttr = &syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(p.dir.Fd())}
	return cmd
}

// folders are those that daemons have in the place.
func (p *place) folders() []string {
	folders, _ := filepath.Glob(filepath.Join(p.dir.Name(), "zrd-*"))
	return folders
}

// A daemon that got SIGKILL leaves a child of a service, with the service's port. The next daemon in the same place
// ends that before it starts anything, and does not touch the services of another one that lives.
func TestNextDaemonCleansUp(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	other := newHome(t)
	other.Install("kv", Behaviour{Escapes: true}, eager)
	neighbour := startCommand(t, other, p.command(other))
	bystander := other.WaitEvent("kv", "child")
	neighbour.WaitStatus(`"running"`)

	h := newHome(t)
	port := h.Install("kv", Behaviour{GrandchildServes: true, ChildLeaves: true}, eager)
	d := startCommand(t, h, p.command(h))
	d.WaitStatus(entry("kv", port, "running"))
	left := h.Last("kv", "listen")
	d.Kill()
	if !alive(left) || !isTaken(port) {
		t.Error("nothing was left to be ended")
	}
	h.Behave("kv", Behaviour{})
	d = startCommand(t, h, p.command(h))
	d.WaitStatus(entry("kv", port, "running"))
	d.WantNoFailure("kv")
	wantGone(t, "after the start of the next daemon", left)
	if !alive(bystander) || len(other.Pids("kv", "start")) != 1 {
		t.Error("the other daemon's service was touched")
	}
	if folders := p.folders(); len(folders) != 2 {
		t.Errorf("two daemons have the folders %q", folders)
	}
	for _, d := range []*Daemon{neighbour, d} {
		d.Signal(syscall.SIGTERM)
		d.WaitExit(0)
	}
	if folders := p.folders(); len(folders) != 0 {
		t.Errorf("the daemons have left %q", folders)
	}
}
