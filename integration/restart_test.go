//go:build unix

package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// Five failures in a row give a service up, whether it comes up in between or not; a start begins anew.
// The count of one that stays healthy goes back to 0 meanwhile.
func TestGivenUpAfterFiveFailures(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	seven := 7
	flap, broken, steady := h.Install("flap", Behaviour{CrashAfter: 800}), h.Install("broken", Behaviour{}), h.Install("steady", Behaviour{})
	d := startDaemon(t, h)
	for name, port := range map[string]int{"flap": flap, "broken": broken, "steady": steady} {
		d.MustStart(name, port)
	}
	h.Behave("broken", Behaviour{ExitAtOnce: &seven})
	h.Kill("broken")
	h.Kill("steady")
	var all sync.WaitGroup
	all.Go(func() { flaps(d, flap) })
	all.Go(func() { staysBroken(d, broken) })
	all.Go(func() { staysHealthy(d, steady) })
	all.Wait()
	want(t, "status", d.Status(), statusLine(entry("broken", broken, "failed"), entry("flap", flap, "failed"), entry("steady", steady, "running")))
	for _, name := range []string{"flap", "broken"} {
		if starts := h.Pids(name, "start"); len(starts) != 5 || alive(starts[4]) {
			t.Errorf("%s: processes %v, want five that are gone", name, starts)
		}
	}
	h.Behave("flap", Behaviour{})
	d.MustStart("flap", flap)
	h.Kill("flap")
	eventually(t, "a count from 1", func() bool {
		return strings.Contains(d.logOf("flap"), says("flap", flap, "started service NAME on port PORT",
			"service NAME unhealthy (failure 1/5): signal: killed", "restarting NAME in 1s"))
	})
	want(t, "stop of a failed one", d.Stop("broken"), okLine)
	d.WaitStatus(entry("flap", flap, "running"))
	want(t, "status", d.Status(), statusLine(entry("flap", flap, "running"), entry("steady", steady, "running")))
}

func flaps(d *Daemon, port int) {
	lines := []string{"started service NAME on port PORT"}
	for n, wait := range []string{"1s", "2s", "4s", "8s"} {
		lines = append(lines, fmt.Sprintf("service NAME unhealthy (failure %d/5): exit status 3", n+1),
			"restarting NAME in "+wait, "service NAME restarted successfully")
	}
	d.wantLog("flap", port, append(lines, "service NAME unhealthy (failure 5/5): exit status 3",
		"service NAME marked as failed after 5 consecutive failures")...)
}

func staysBroken(d *Daemon, port int) {
	lines := []string{"started service NAME on port PORT", "service NAME unhealthy (failure 1/5): signal: killed"}
	for n, wait := range []string{"1s", "2s", "4s", "8s"} {
		lines = append(lines, "restarting NAME in "+wait, "service NAME failed health check after restart",
			fmt.Sprintf("service NAME unhealthy (failure %d/5): exit status 7", n+2))
	}
	d.WaitLog("daemon: restarting 'broken' in 8s\n")
	want(d.t, "a start in the last back-off", d.Start("broken"),
		errorLine("service 'broken' marked as failed after 5 consecutive failures: exit status 7"))
	d.wantLog("broken", port, append(lines, "service NAME marked as failed after 5 consecutive failures")...)
}

func staysHealthy(d *Daemon, port int) {
	first := []string{"started service NAME on port PORT", "service NAME unhealthy (failure 1/5): signal: killed",
		"restarting NAME in 1s", "service NAME restarted successfully"}
	d.wantLog("steady", port, first...)
	eventually(d.t, "the failure of steady forgotten", func() bool {
		_, rest, _ := strings.Cut(d.Ask(`{"request":"status","verbose":true}`), `"name":"steady"`)
		return strings.Contains(rest, `"failures":0`)
	})
	d.Home.Kill("steady")
	d.wantLog("steady", port, append(first, first[1:]...)...)
}

// An upgrade is picked up by the restart after a crash: the version, the port, the health path.
func TestUpgradeIsPickedUpByARestart(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	port := h.Install("kv", Behaviour{})
	d := startDaemon(t, h)
	d.MustStart("kv", port)
	first := h.Last("kv", "start")

	staging := &Home{t, filepath.Join(h.Dir, "staging")}
	next := staging.Install("kv", Behaviour{}, `health = "/v2"`)
	if err := os.Rename(staging.folder("kv"), filepath.Join(h.Dir, "store/kv/2.0.0")); err != nil {
		t.Fatal(err)
	}
	h.Write("modules/kv.json", `{"schema":1,"current":"2.0.0"}`)
	want(t, "status before", d.Status(), statusLine(entry("kv", port, "running")))
	syscall.Kill(first, syscall.SIGKILL)
	d.WaitLog("daemon: service 'kv' restarted successfully\n")
	want(t, "status after", d.Status(), statusLine(entry("kv", next, "running")))
	events, err := os.ReadFile(filepath.Join(h.Dir, "store/kv/2.0.0/events"))
	if err != nil || !strings.Contains(string(events), "get GET /v2 HTTP/1.0") {
		t.Errorf("the new version was not probed at its own path: %q, %v", events, err)
	}
	h.InstallAt("heir", port, Behaviour{})
	d.MustStart("heir", port) // the old port is nobody's now
	want(t, "stop", d.Stop("kv"), okLine)
}
