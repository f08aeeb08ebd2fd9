//go:build linux

package integration

import (
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// A misbehaving service is started, fails sooner or later or not at all, and is stopped.
type misbehaving struct {
	name  string
	b     Behaviour
	start string     // its start fails with this error, a regular expression
	then  *Behaviour // once it runs
	fails string     // it fails with this error, a regular expression, and then behaves
	event string     // which it must have noted
}

const (
	timeout  = "health check timeout: "
	silence  = "no answer to GET /health within 2 s"
	nonsense = "the answer to GET /health is not HTTP"
	closed   = "GET /health got no answer: the connection was (reset|closed)"
	refused  = "connection refused"
	exited   = "exited before it was healthy: exit status "
)

var misbehaviours = []misbehaving{
	{name: "exits", b: Behaviour{ExitAtOnce: number(7)}, start: exited + "7"},
	{name: "exits-with-0", b: Behaviour{ExitAtOnce: number(0)}, start: exited + "0"},
	{name: "exits-after-503", b: Behaviour{Status: "503 Not Yet", CrashAfter: 100}, start: exited + "3"},
	{name: "in-the-background", b: Behaviour{Background: true}, start: exited + "0"},
	{name: "never-listens", b: Behaviour{ListenNever: true}, start: timeout + refused},
	{name: "hangs", b: Behaviour{Hang: true}, start: timeout + silence},
	{name: "hangs-and-ignores-sigterm", b: Behaviour{Hang: true, IgnoreTerm: true}, start: timeout + silence, event: "term"},
	{name: "trickles", b: Behaviour{Trickle: true}, start: timeout + silence},
	{name: "endless", b: Behaviour{Endless: true}, start: timeout + nonsense},
	{name: "resets", b: Behaviour{Reset: true}, start: timeout + closed},
	{name: "no-content", b: Behaviour{Status: "204 No Content"}, start: timeout + "GET /health answered 204"},
	{name: "moved", b: Behaviour{Status: "301 Moved"}, start: timeout + "GET /health answered 301"},
	{name: "not-found", b: Behaviour{Status: "404 Not 200"}, start: timeout + "GET /health answered 404"},
	{name: "error", b: Behaviour{Status: "500 Internal Server Error"}, start: timeout + "GET /health answered 500"},
	{name: "status-in-the-body", b: Behaviour{Raw: "HTTP/1.0 503 No\r\n\r\nHTTP/1.0 200 OK\r\n"}, start: timeout + "GET /health answered 503"},
	{name: "no-http", b: Behaviour{Raw: "200 OK\r\n"}, start: timeout + nonsense},
	{name: "mail", b: Behaviour{Raw: "220 mail ready\r\n"}, start: timeout + nonsense},
	{name: "long-code", b: Behaviour{Raw: "HTTP/1.0 2000 OK\r\n"}, start: timeout + nonsense},
	{name: "long-line", b: Behaviour{Raw: "HTTP/1.0 200 " + strings.Repeat("y", 8<<10)}, start: timeout + nonsense},
	{name: "empty-line", b: Behaviour{Raw: "\r\n"}, start: timeout + nonsense},

	{name: "slow", b: Behaviour{ListenAfter: 1500}},
	{name: "no-stderr", b: Behaviour{CloseStderr: true}},
	{name: "other-group", b: Behaviour{LeaveGroup: true}},
	{name: "child-serves", b: Behaviour{GrandchildServes: true}},
	{name: "child", b: Behaviour{Grandchild: true}},
	{name: "ignores-sigterm", b: Behaviour{IgnoreTerm: true}, event: "term"},
	{name: "flushes", b: Behaviour{FlushOnTerm: 300}, event: "flushed"},
	{name: "no-reason", b: Behaviour{Raw: "HTTP/1.1 200\r\n\r\n"}},
	{name: "other-reason", b: Behaviour{Status: "200 Not 404"}},
	{name: "no-head", b: Behaviour{Raw: "HTTP/1.0 200 OK"}},

	{name: "hangs-later", then: &Behaviour{Hang: true}, fails: silence},
	{name: "hangs-later-and-ignores-sigterm", b: Behaviour{IgnoreTerm: true}, then: &Behaviour{Hang: true, IgnoreTerm: true}, fails: silence, event: "term"},
	{name: "stops-itself", b: Behaviour{StopAfter: 500}, fails: silence},
	{name: "trickles-later", then: &Behaviour{Trickle: true}, fails: silence},
	{name: "endless-later", then: &Behaviour{Endless: true}, fails: nonsense},
	{name: "resets-later", then: &Behaviour{Reset: true}, fails: closed},
	{name: "not-found-later", then: &Behaviour{Status: "404 Not 200"}, fails: "GET /health answered 404"},
	{name: "error-later", then: &Behaviour{Status: "500 Oops"}, fails: "GET /health answered 500"},
	{name: "no-http-later", then: &Behaviour{Raw: "200 OK\r\n"}, fails: nonsense},
	{name: "closes-its-port", b: Behaviour{DropAfter: 3000}, fails: refused + "|" + closed},
	{name: "crashes", b: Behaviour{CrashAfter: 3000}, fails: "exit status 3|" + refused + "|" + closed}, // a check may come first
}

// Many of them run at once, beside a good service that must not notice.
func TestHostileServices(t *testing.T) {
	t.Parallel()
	needFiles(t, 150)
	h := newHome(t)
	d := startDaemon(t, h, "-health-interval", "500ms")
	d.MustStart("good", h.Install("good", Behaviour{}, patient))
	stop := d.watchGood()
	atOnce := 16
	if raceEnabled { // programs start slowly
		atOnce = 6
	}
	var late sync.WaitGroup
	late.Go(func() { listensTooLate(d) })
	workers(atOnce, len(misbehaviours), func(i int) { misbehaviours[i].play(d) })
	late.Wait()
	stop()
	if starts := h.Pids("good", "start"); len(starts) != 1 {
		t.Errorf("the good service was started %d times", len(starts))
	}
	for _, pid := range h.Pids("other-group", "child") { // without cgroups, a child in another group stays
		if h.owns(pid) {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// watchGood checks again and again that the good service runs, until stop is called.
func (d *Daemon) watchGood() (stop func()) {
	var stopped atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		for !stopped.Load() && !d.t.Failed() {
			d.WantNoFailure("good")
			time.Sleep(10 * time.Millisecond)
		}
	}()
	return func() { stopped.Store(true); <-done }
}

func (m misbehaving) play(d *Daemon) {
	var keys []string
	if strings.HasPrefix(m.start, timeout) {
		keys = append(keys, `start-timeout = "10s"`)
	} else if m.fails == "" {
		keys = append(keys, patient)
	}
	port := d.Home.Install(m.name, m.b, keys...)
	reply := d.Start(m.name)
	if m.start != "" {
		m.checkFailedStart(d, reply)
	} else {
		want(d.t, "the start of "+m.name, reply, portLine(port))
		m.fail(d)
	}
	d.MustStop(m.name)
	want(d.t, "the status of "+m.name+" after its stop", d.Details(m.name).Status, "")
	wantGone(d.t, "after the stop of "+m.name, d.Home.Pids(m.name, "start")...)
	if !m.b.LeaveGroup {
		wantGone(d.t, "after the stop of "+m.name, d.Home.Pids(m.name, "child")...)
	}
	if m.event != "" && d.Home.Last(m.name, m.event) == 0 {
		d.t.Errorf("%s did not note %q", m.name, m.event)
	}
}

// checkFailedStart checks the error, the status and the processes. A service that answers is probed
// 150 times at most.
func (m misbehaving) checkFailedStart(d *Daemon, reply string) {
	why := strings.TrimPrefix(failure(d.t, reply), "service '"+m.name+"' ")
	if !matches(m.start, why) {
		d.t.Errorf("the start of %s: the error is %q, want %q", m.name, why, m.start)
	}
	if s := d.Details(m.name); s.Status != "failed" || s.Why() != why {
		d.t.Errorf("the status of %s after %q: %+v", m.name, why, s)
	}
	starts, probes := d.Home.Pids(m.name, "start"), len(d.Home.Pids(m.name, "get"))
	if len(starts) != 1 || probes > 150 {
		d.t.Errorf("%s had the processes %v and %d probes", m.name, starts, probes)
	}
	wantGone(d.t, "after the failed start of "+m.name, starts...)
}

// fail waits until a service has failed, and runs again as another process. One that does not fail
// must pass two checks.
func (m misbehaving) fail(d *Daemon) {
	if m.then != nil {
		d.Home.Behave(m.name, *m.then)
	}
	if m.fails == "" {
		wantChecks(d.t, d.Home, m.name, 2)
		d.WantNoFailure(m.name)
		return
	}
	first := d.Home.Last(m.name, "start")
	s := d.WaitFailures(m.name, 1)
	d.Home.Behave(m.name, Behaviour{})
	if !matches(m.fails, s.Why()) {
		d.t.Errorf("%s failed: %q, want %q", m.name, s.Why(), m.fails)
	}
	d.WaitBack(m.name, first)
	wantGone(d.t, "after the restart of "+m.name, first)
}

func matches(pattern, text string) bool {
	return regexp.MustCompile("^(" + pattern + ")$").MatchString(text)
}

// listensTooLate is a service that is restarted, is given up after 10 s, and ignores SIGTERM. It
// listens in the 20 s that it has until SIGKILL, and must not be taken for the next process.
func listensTooLate(d *Daemon) {
	h := d.Home
	port := h.Install("late", Behaviour{})
	d.MustStart("late", port)
	h.InstallAt("late", port, Behaviour{ListenNever: true, IgnoreTerm: true}, `start-timeout = "10s"`, `stop-timeout = "20s"`)
	first := h.Kill("late")
	eventually(d.t, "the restart of late", func() bool { return h.Last("late", "start") != first })
	second := h.Last("late", "start")
	d.WaitFailures("late", 2)
	h.InstallAt("late", port, Behaviour{})
	eventually(d.t, "late listens", func() bool { return h.Last("late", "listen") == second })
	if s := d.Details("late"); s.Status == "running" && s.PID == second {
		d.t.Errorf("late is running as the process that listened too late: %+v", s)
	}
	s := d.WaitDetails("late", "running", func(s Details) bool { return s.Status == "running" })
	if s.PID == second || s.PID != h.Last("late", "listen") {
		d.t.Errorf("late: %+v, second process %d", s, second)
	}
	wantGone(d.t, "after the restart of late", second)
	d.MustStop("late")
}
