package integration

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// in makes a command run in another world, as the user with this number; see fake/world_linux.go. The test is skipped
// where that cannot be.
func in(t *testing.T, world string, uid int, cmd *exec.Cmd) *exec.Cmd {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can make a world of its own: ", world)
	}
	args := func(args ...string) []string { return append([]string{"in", world, strconv.Itoa(uid)}, args...) }
	if out, err := exec.Command(fakePath, args(zrctlPath, "-version")...).CombinedOutput(); err != nil {
		t.Skipf("cannot make the world %s: %v: %s", world, err, out)
	}
	return exec.Command(fakePath, args(cmd.Args...)...)
}

// spareUser is the number of a user that has no process, and a home that it may use.
func spareUser(t *testing.T) (int, *Home) {
	t.Helper()
	return 200_000 + rand.IntN(1_000_000), newHome(t)
}

// InstallFor is Install of a service that runs as another user.
func (h *Home) InstallFor(name string, b Behaviour, extra ...string) int {
	h.t.Helper()
	port := h.Install(name, b, extra...)
	if err := os.Chmod(h.folder(name), 0o777); err != nil {
		h.t.Fatal(err)
	}
	return port
}

// startWithoutCgroups is startDaemon where zrd can make no cgroups: for an ordinary user mostly everywhere.
func startWithoutCgroups(t *testing.T, h *Home, args ...string) *Daemon {
	t.Helper()
	cmd := daemonCommand(h, args...)
	if os.Geteuid() == 0 {
		cmd = in(t, "no-cgroups", 0, cmd)
	}
	d := startCommand(t, h, cmd)
	if line, dir := d.containment(); dir != "" {
		t.Skip("this user may make cgroups: ", line)
	}
	return d
}

// Where there are no cgroups the log says why, and services live and end all the same.
func TestWithoutCgroups(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	port := h.Install("kv", Behaviour{Grandchild: true})
	d := startWithoutCgroups(t, h)
	if line, _ := d.containment(); !strings.HasPrefix(line, "daemon: services are contained by process groups: ") {
		t.Errorf("the log says %q", line)
	}
	d.MustStart("kv", port)
	child := h.WaitEvent("kv", "child")
	if s := d.Details("kv"); s.Processes != 0 {
		t.Errorf("status -v counts %d processes", s.Processes)
	}
	d.Crash("kv")
	wantGone(t, "after the crash of its parent", child)
	child = h.WaitEvent("kv", "child")
	d.MustStop("kv")
	wantGone(t, "after the stop", child)
}

// A service that its own user may not look into, and that /proc does not even show, is taken for itself.
func TestHiddenService(t *testing.T) {
	t.Parallel()
	uid, h := spareUser(t)
	port := h.InstallFor("kv", Behaviour{Undumpable: true, Grandchild: true})
	d := startCommand(t, h, in(t, "hidepid", uid, daemonCommand(h, "-health-interval", "100ms")))
	d.MustStart("kv", port)
	wantChecks(t, h, "kv", 3)
	d.WantNoFailure("kv")
	d.MustStop("kv")
}

// wantChecks waits for some more checks of a service that runs.
func wantChecks(t testing.TB, h *Home, name string, n int) {
	t.Helper()
	before := len(h.Pids(name, "get"))
	eventually(t, "more checks of "+name, func() bool { return len(h.Pids(name, "get")) >= before+n })
}

// A service whose main thread has ended, or that of a child which serves, is alive, its listener is its own, and it
// can be stopped.
func TestMainThreadExits(t *testing.T) {
	t.Parallel()
	for name, b := range map[string]Behaviour{"its own": {MainExits: true}, "a child's": {MainExits: true, GrandchildServes: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHome(t)
			port := h.Install("kv", b)
			d := startWithoutCgroups(t, h, "-health-interval", "100ms")
			d.MustStart("kv", port)
			if state := procStatus(t, h.Last("kv", "listen"), "State"); state != "Z" {
				t.Fatalf("the main thread is in state %s, want Z", state)
			}
			wantChecks(t, h, "kv", 3)
			d.WantNoFailure("kv")
			d.MustStop("kv")
			if !free(port) {
				t.Error("it still has its port")
			}
		})
	}
}

// A service makes as many processes as its user may have. The daemon of this user answers, and watches the others: what
// crashes meanwhile is back once there is room again.
func TestForkBomb(t *testing.T) {
	t.Parallel()
	uid, h := spareUser(t)
	kv, bomb := h.InstallFor("kv", Behaviour{}), h.InstallFor("bomb", Behaviour{Bomb: true})
	d := startCommand(t, h, in(t, "few-processes", uid, daemonCommand(h, "-health-interval", "200ms")))
	wantLimit(t, d.Pid(), uid)
	d.MustStart("kv", kv)
	d.MustStart("bomb", bomb)
	h.WaitEvent("bomb", "full")
	for range 50 {
		d.MustPing()
	}
	wantChecks(t, h, "kv", 3)
	first := h.Kill("kv")
	eventually(t, "a restart that finds no room, or the end of the bomb", func() bool {
		return d.Details("kv").Failures >= 2 || d.Details("bomb").Failures > 0
	})
	h.Behave("bomb", Behaviour{})
	d.MustStop("bomb")
	d.WaitBack("kv", first)
	// The killed processes count against the limit until init has reaped them.
	eventually(t, "a start of the service that no longer forks", func() bool {
		return d.Start("bomb") == portLine(bomb)
	})
	want(t, "status", d.Status(), statusLine(entry("bomb", bomb, "running"), entry("kv", kv, "running")))
}

// wantLimit fails unless a process is this user's, may do nothing special, and has a limit on its processes.
func wantLimit(t *testing.T, pid, uid int) {
	t.Helper()
	limits, err := os.ReadFile(fmt.Sprintf("/proc/%d/limits", pid))
	if err != nil {
		t.Fatal(err)
	}
	line := ""
	for text := range strings.Lines(string(limits)) {
		if strings.HasPrefix(text, "Max processes") {
			line = text
		}
	}
	user, capabilities := procStatus(t, pid, "Uid"), strings.Trim(procStatus(t, pid, "CapEff"), "0")
	if len(strings.Fields(line)) != 5 || strings.Contains(line, "unlimited") || user != strconv.Itoa(uid) || capabilities != "" {
		t.Fatalf("the limit is not in force: %q, user %s, capabilities %q", line, user, capabilities)
	}
}
