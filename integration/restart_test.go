//go:build unix

package integration

import (
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// An exit is noticed when it happens. Here the next check would be in an hour.
func TestExitsAreNoticedAtOnce(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	d := startDaemon(t, h, "-health-interval", "1h")
	var all sync.WaitGroup
	for name, row := range map[string]struct {
		b   Behaviour
		sig syscall.Signal
		why string
	}{
		"crash":      {Behaviour{}, syscall.SIGQUIT, "exit status 2"}, // as Go's runtime does
		"killed":     {Behaviour{Grandchild: true}, syscall.SIGKILL, "signal: killed"},
		"terminated": {Behaviour{}, syscall.SIGTERM, "signal: terminated"},
		"flushed":    {Behaviour{FlushOnTerm: 10}, syscall.SIGTERM, "exit status 0"},
	} {
		port := h.Install(name, row.b)
		all.Go(func() {
			d.MustStart(name, port)
			if row.b.Grandchild {
				h.WaitEvent(name, "child")
			}
			h.Behave(name, Behaviour{})
			first := h.WaitEvent(name, "listen")
			syscall.Kill(first, row.sig)
			s := d.WaitBack(name, first)
			want(t, "the failure of "+name, s.Why(), row.why)
			if s.Restarts != 1 {
				t.Errorf("%s was restarted %d times", name, s.Restarts)
			}
			want(t, name, d.Start(name), portLine(port))
			wantGone(t, "after the restart", h.Pids(name, "child")...)
		})
	}
	all.Wait()
}

// The fifth failure in a row is the last, whether the service comes up in between or not. A start
// begins anew. The count of a service that stays healthy returns to 0.
func TestGivenUpAfterFiveFailures(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	flap := h.Install("flap", Behaviour{CrashAfter: 2000})
	broken, steady := h.Install("broken", Behaviour{}), h.Install("steady", Behaviour{})
	d := startDaemon(t, h, "-health-interval", "1h") // a check might come before the news of an exit
	d.MustStart("flap", flap)
	d.MustStart("broken", broken)
	d.MustStart("steady", steady)
	h.Behave("broken", Behaviour{ExitAtOnce: number(7)})
	h.Kill("broken")
	d.Crash("steady")
	d.WaitFailures("broken", 4)
	want(t, "a start in the last back-off", d.Start("broken"),
		errorLine("service 'broken' marked as failed after 5 consecutive failures: exit status 7"))
	d.WaitStatus(entry("flap", flap, "failed"))
	for name, why := range map[string]string{"flap": "exit status 3", "broken": "exit status 7"} {
		s, starts := d.Details(name), h.Pids(name, "start")
		if s.Status != "failed" || s.Failures != 5 || s.Restarts != 4 || s.Why() != why || len(starts) != 5 {
			t.Errorf("%s: %+v, processes %v", name, s, starts)
		}
		wantGone(t, "after the last failure of "+name, starts...)
	}
	d.WaitDetails("steady", "no failures", func(s Details) bool { return s.Failures == 0 })
	h.Behave("flap", Behaviour{})
	d.MustStart("flap", flap)
	if s := d.Crash("flap"); s.Failures > 1 || s.Restarts != 1 {
		t.Errorf("after a new start and a crash: %+v", s)
	}
	d.MustStop("broken")
	want(t, "status", d.Status(), statusLine(entry("flap", flap, "running"), entry("steady", steady, "running")))
}

// The restart after a crash takes the version, the port and the health path of an upgrade.
func TestUpgradeIsPickedUpByARestart(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	port := h.Install("kv", Behaviour{})
	d := startDaemon(t, h)
	d.MustStart("kv", port)
	staging := &Home{t, filepath.Join(h.Dir, "staging")}
	next := staging.Install("kv", Behaviour{}, `health = "/v2"`)
	if err := os.Rename(staging.folder("kv"), filepath.Join(h.Dir, "store/kv/2.0.0")); err != nil {
		t.Fatal(err)
	}
	h.Write("modules/kv.json", `{"schema":1,"current":"2.0.0"}`)
	want(t, "status before", d.Status(), statusLine(entry("kv", port, "running")))
	d.Crash("kv")
	want(t, "status after", d.Status(), statusLine(entry("kv", next, "running")))
	if events := readFile(t, filepath.Join(h.Dir, "store/kv/2.0.0/events")); !strings.Contains(events, "get GET /v2 HTTP/1.0") {
		t.Errorf("the new version was not probed at its own path: %q", events)
	}
	h.InstallAt("heir", port, Behaviour{})
	d.MustStart("heir", port) // the old port is free
	d.MustStop("kv")
}

// A service that fails its checks gets SIGTERM, and time to flush, before it is restarted.
func TestGraceOfARestart(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	port := h.Install("kv", Behaviour{FlushOnTerm: 50}, `stop-timeout = "30s"`)
	d := startDaemon(t, h, "-health-interval", "200ms")
	d.MustStart("kv", port)
	first := h.Last("kv", "start")
	h.Behave("kv", Behaviour{FlushOnTerm: 50, Status: "500 Sick"})
	h.WaitEvent("kv", "term")
	h.Behave("kv", Behaviour{})
	d.WaitBack("kv", first)
	wantGone(t, "after the restart", first)
	if flushed := h.Last("kv", "flushed"); flushed != first {
		t.Errorf("process %d flushed, want %d", flushed, first)
	}
}

// A service that hangs delays neither a reply nor another service.
func TestHungServiceDelaysNobody(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	hung, kv := h.Install("hung", Behaviour{}, `health-timeout = "5m"`), h.Install("kv", Behaviour{}, patient)
	d := startDaemon(t, h, "-health-interval", "200ms")
	d.MustStart("hung", hung)
	h.Behave("hung", Behaviour{Hang: true})
	h.WaitEvent("hung", "hang") // a probe waits for its answer
	d.MustPing()
	d.MustStart("kv", kv)
	want(t, "status", d.Status(), statusLine(entry("hung", hung, "running"), entry("kv", kv, "running")))
	d.MustStop("hung")
	want(t, "status", d.Status(), statusLine(entry("kv", kv, "running")))
}
