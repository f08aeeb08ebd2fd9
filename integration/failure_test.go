//go:build unix

package integration

import (
	"sync"
	"syscall"
	"testing"
)

// A running service that fails its check is told in the log with the reason, is "starting" while it is
// replaced, and comes back once it is well again.
func TestFailedChecks(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	d := startDaemon(t, h, "-health-interval", "200ms")
	var all sync.WaitGroup
	for name, row := range map[string]struct {
		b   Behaviour
		why string
	}{
		"hang":    {Behaviour{Hang: true}, "no answer to GET /health within 2 s"},
		"trickle": {Behaviour{Trickle: true}, "no answer to GET /health within 2 s"},
		"endless": {Behaviour{Endless: true}, "the answer to GET /health is not HTTP"},
		"error":   {Behaviour{Status: "500 Internal Server Error"}, "GET /health answered 500"},
		"not-200": {Behaviour{Status: "404 Not 200"}, "GET /health answered 404"},
		"reset":   {Behaviour{Reset: true}, "GET /health got no answer: the connection was reset"},
		"no-http": {Behaviour{Raw: "200 OK\r\n"}, "the answer to GET /health is not HTTP"},
	} {
		port := h.Install(name, Behaviour{})
		all.Go(func() {
			d.MustStart(name, port)
			first := h.Last(name, "start")
			h.Behave(name, row.b)
			d.wantLog(name, port, "started service NAME on port PORT",
				"service NAME unhealthy (failure 1/5): "+row.why, "restarting NAME in 1s")
			d.WaitStatus(entry(name, port, "starting"))
			h.Behave(name, Behaviour{})
			d.WaitStatus(entry(name, port, "running"))
			d.WaitLog("daemon: service '" + name + "' restarted successfully\n")
			if alive(first) || h.Last(name, "start") == first {
				t.Errorf("%s is running again as the old process", name)
			}
		})
	}
	all.Wait()
}

// An exit is noticed when it happens: here, there is no check for an hour.
func TestExitsAreNoticedAtOnce(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	d := startDaemon(t, h, "-health-interval", "1h")
	kill := func(sig syscall.Signal) func(string) {
		return func(name string) { syscall.Kill(h.WaitEvent(name, "listen"), sig) }
	}
	var all sync.WaitGroup
	for name, row := range map[string]struct {
		b   Behaviour
		end func(name string)
		why string
	}{
		"crash":      {Behaviour{CrashAfter: 1000}, func(string) {}, "exit status 3"},
		"killed":     {Behaviour{Grandchild: true}, kill(syscall.SIGKILL), "signal: killed"},
		"terminated": {Behaviour{}, kill(syscall.SIGTERM), "signal: terminated"},
		"flushed":    {Behaviour{FlushOnTerm: 10}, kill(syscall.SIGTERM), "exit status 0"},
	} {
		port := h.Install(name, row.b)
		all.Go(func() {
			d.MustStart(name, port)
			if row.b.Grandchild {
				h.WaitEvent(name, "child")
			}
			h.Behave(name, Behaviour{})
			row.end(name)
			d.WaitLog("daemon: service '" + name + "' restarted successfully\n")
			d.wantLog(name, port, "started service NAME on port PORT", "service NAME unhealthy (failure 1/5): "+row.why,
				"restarting NAME in 1s", "service NAME restarted successfully")
			want(t, name, d.Start(name), portLine(port))
			for _, child := range h.Pids(name, "child") {
				if alive(child) {
					t.Errorf("the child of %s, process %d, outlives it", name, child)
				}
			}
		})
	}
	all.Wait()
}

// A restart leaves the old process the back-off as its grace, and no more.
func TestGraceOfARestart(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	d := startDaemon(t, h, "-health-interval", "200ms")
	var all sync.WaitGroup
	for name, b := range map[string]Behaviour{"flush": {FlushOnTerm: 50}, "stubborn": {IgnoreTerm: true}} {
		var keys []string
		if name == "flush" { // on a busy machine, more than the back-off
			keys = []string{`stop-timeout = "30s"`}
		}
		port := h.Install(name, b, keys...)
		all.Go(func() {
			d.MustStart(name, port)
			first := h.Last(name, "start")
			sick := b
			sick.Status = "500 Sick"
			h.Behave(name, sick)
			h.WaitEvent(name, "term")
			h.Behave(name, b)
			d.WaitLog("daemon: service '" + name + "' restarted successfully\n")
			if alive(first) {
				t.Errorf("%s: process %d outlives its replacement", name, first)
			}
			if got := h.Last(name, "flushed"); name == "flush" && got != first {
				t.Errorf("%s: %d flushed, want %d", name, got, first)
			}
		})
	}
	all.Wait()
}

// A service that hangs delays neither a reply nor another service.
func TestHungServiceDelaysNobody(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	hung, kv := h.Install("hung", Behaviour{}, `health-timeout = "5m"`), h.Install("kv", Behaviour{})
	d := startDaemon(t, h, "-health-interval", "200ms")
	d.MustStart("hung", hung)
	h.Behave("hung", Behaviour{Hang: true})
	h.WaitEvent("hung", "hang") // a probe waits for its answer
	want(t, "ping", d.Ask(`{"request":"ping"}`), okLine)
	d.MustStart("kv", kv)
	want(t, "status", d.Status(), statusLine(entry("hung", hung, "running"), entry("kv", kv, "running")))
	want(t, "stop", d.Stop("hung"), okLine)
	want(t, "status", d.Status(), statusLine(entry("kv", kv, "running")))
}
