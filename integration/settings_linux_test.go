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

// with makes a command run in a setting as a user; see fake/settings_linux.go. It skips the test
// where that is impossible.
func with(t *testing.T, setting string, uid int, cmd *exec.Cmd) *exec.Cmd {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can make the setting ", setting)
	}
	args := func(args ...string) []string { return append([]string{"with", setting, strconv.Itoa(uid)}, args...) }
	if out, err := exec.Command(fakePath, args(zrctlPath, "-version")...).CombinedOutput(); err != nil {
		t.Skipf("cannot make the setting %s: %v: %s", setting, err, out)
	}
	return exec.Command(fakePath, args(cmd.Args...)...)
}

// spareUser returns the number of a user without processes, and a home for that user.
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

// startWithoutCgroups is startDaemon where zrd cannot make cgroups. Most ordinary users cannot.
func startWithoutCgroups(t *testing.T, h *Home, args ...string) *Daemon {
	t.Helper()
	cmd := daemonCommand(h, args...)
	if os.Geteuid() == 0 {
		cmd = with(t, "no-cgroups", 0, cmd)
	}
	d := startCommand(t, h, cmd)
	if line, dir := d.containment(); dir != "" {
		t.Skip("this user may make cgroups: ", line)
	}
	return d
}

// Without cgroups the log says why, and services are ended by process group.
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

// A service that zrd cannot look into, and that /proc does not show to zrd, is not taken for
// another process.
func TestHiddenService(t *testing.T) {
	t.Parallel()
	uid, h := spareUser(t)
	port := h.InstallFor("kv", Behaviour{Undumpable: true, Grandchild: true}, patient)
	d := startCommand(t, h, with(t, "hidepid", uid, daemonCommand(h, "-health-interval", "100ms")))
	d.MustStart("kv", port)
	wantChecks(t, h, "kv", 3)
	d.WantNoFailure("kv")
	d.MustStop("kv")
}

// wantChecks waits for n more checks of a service.
func wantChecks(t testing.TB, h *Home, name string, n int) {
	t.Helper()
	before := len(h.Pids(name, "get"))
	eventually(t, "more checks of "+name, func() bool { return len(h.Pids(name, "get")) >= before+n })
}

// A service, or its child, whose main thread has exited is alive, has its listener, and can be
// stopped.
func TestMainThreadExits(t *testing.T) {
	t.Parallel()
	for name, b := range map[string]Behaviour{"its own": {MainExits: true}, "a child's": {MainExits: true, GrandchildServes: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHome(t)
			port := h.Install("kv", b, patient)
			d := startWithoutCgroups(t, h, "-health-interval", "100ms")
			d.MustStart("kv", port)
			eventually(t, "the end of the main thread", func() bool {
				return procStatus(t, h.Last("kv", "listen"), "State") == "Z"
			})
			wantChecks(t, h, "kv", 3)
			d.WantNoFailure("kv")
			d.MustStop("kv")
			if !free(port) {
				t.Error("its port is not free")
			}
		})
	}
}

// A service makes as many processes as its user may have. The daemon, which is the same user's,
// answers and checks other services. A service that crashes meanwhile is restarted when there is
// room again.
func TestForkBomb(t *testing.T) {
	t.Parallel()
	uid, h := spareUser(t)
	kv, bomb := h.InstallFor("kv", Behaviour{}), h.InstallFor("bomb", Behaviour{Bomb: true})
	d := startCommand(t, h, with(t, "few-processes", uid, daemonCommand(h, "-health-interval", "200ms")))
	wantLimit(t, d.Pid(), uid)
	d.MustStart("kv", kv)
	d.MustStart("bomb", bomb)
	h.WaitEvent("bomb", "full")
	for range 50 {
		d.MustPing()
	}
	wantChecks(t, h, "kv", 3)
	first := h.Kill("kv")
	eventually(t, "a restart without room, or the end of the bomb", func() bool {
		return d.Details("kv").Failures >= 2 || d.Details("bomb").Failures > 0
	})
	h.Behave("bomb", Behaviour{})
	d.MustStop("bomb")
	d.WaitBack("kv", first)
	// Killed processes count until init has reaped them.
	eventually(t, "a start of bomb", func() bool {
		return d.Start("bomb") == portLine(bomb)
	})
	want(t, "status", d.Status(), statusLine(entry("bomb", bomb, "running"), entry("kv", kv, "running")))
}

// wantLimit fails unless a process has this user, no capabilities, and a limit on its processes.
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
		t.Fatalf("limit %q, user %s, capabilities %q", line, user, capabilities)
	}
}
