//go:build linux

package integration

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// A villain misbehaves from its start, or from when it is running; what the user sees
// of it is in terms of status and of the log.
type villain struct {
	name    string
	b       Behaviour
	why     string     // its start fails: a regular expression; "" if it gets up
	after   *Behaviour // once it is running
	lines   []string   // of the log, in this order, less "daemon: ": regular expressions
	heals   bool       // when it has failed once, it behaves
	status  string     // in the end, if it gets up
	wanting string     // an event of it that must have been noted by the end
}

// timeout is what the user is told of a service that does not get healthy.
const timeout = "health check timeout"

var villains = []villain{
	// Those that never get up.
	{name: "exits", b: Behaviour{ExitAtOnce: number(7)}, why: "exited before it was healthy: exit status 7"},
	{name: "never-listens", b: Behaviour{ListenNever: true}, why: timeout + ": connection refused"},
	{name: "hangs", b: Behaviour{Hang: true}, why: timeout + ": no answer to GET /health within 2 s"},
	{name: "answers-500", b: Behaviour{Status: "500 Internal Server Error"}, why: timeout + ": GET /health answered 500"},
	{name: "answers-404-not-200", b: Behaviour{Status: "404 Not 200"}, why: timeout + ": GET /health answered 404"},
	{name: "trickles", b: Behaviour{Trickle: true}, why: timeout + ": no answer to GET /health within 2 s"},
	{name: "endless", b: Behaviour{Endless: true}, why: timeout + ": the answer to GET /health is not HTTP"},
	{name: "resets", b: Behaviour{Reset: true}, why: timeout + ": GET /health got no answer: the connection was (reset|closed)"},
	{name: "no-http", b: Behaviour{Raw: "220 mail ready\r\n"}, why: timeout + ": the answer to GET /health is not HTTP"},
	{name: "in-the-background", b: Behaviour{Background: true}, why: "exited before it was healthy: exit status 0"},
	{name: "eats-term-too", b: Behaviour{Hang: true, IgnoreTerm: true}, why: timeout + ": no answer to GET /health within 2 s", wanting: "term"},

	// Those that are odd, and get up all the same.
	{name: "slow", b: Behaviour{ListenAfter: 1500}, status: "running"},
	{name: "no-stderr", b: Behaviour{CloseStderr: true}, status: "running"},
	{name: "other-group", b: Behaviour{LeaveGroup: true}, status: "running"},
	{name: "child-serves", b: Behaviour{GrandchildServes: true}, status: "running"},
	{name: "grandchild", b: Behaviour{Grandchild: true}, status: "running"},
	{name: "eats-term", b: Behaviour{IgnoreTerm: true}, status: "running"},
	{name: "flushes", b: Behaviour{FlushOnTerm: 300}, status: "running"},

	// Those that fall later; the reason is in the log.
	{name: "hangs-later", after: &Behaviour{Hang: true}, heals: true, status: "running",
		lines: failedOnce("hangs-later", "no answer to GET /health within 2 s")},
	{name: "hangs-and-eats-term", b: Behaviour{IgnoreTerm: true}, after: &Behaviour{Hang: true, IgnoreTerm: true}, heals: true, status: "running",
		lines: failedOnce("hangs-and-eats-term", "no answer to GET /health within 2 s"), wanting: "term"},
	{name: "trickles-later", after: &Behaviour{Trickle: true}, heals: true, status: "running",
		lines: failedOnce("trickles-later", "no answer to GET /health within 2 s")},
	{name: "later-500", after: &Behaviour{Status: "500 Oops"}, heals: true, status: "running",
		lines: failedOnce("later-500", "GET /health answered 500")},
	{name: "later-404", after: &Behaviour{Status: "404 Not 200"}, heals: true, status: "running",
		lines: failedOnce("later-404", "GET /health answered 404")},
	{name: "endless-later", after: &Behaviour{Endless: true}, heals: true, status: "running",
		lines: failedOnce("endless-later", "the answer to GET /health is not HTTP")},
	{name: "resets-later", after: &Behaviour{Reset: true}, heals: true, status: "running",
		lines: failedOnce("resets-later", "GET /health got no answer: the connection was (reset|closed)")},
	{name: "crashes-later", b: Behaviour{CrashAfter: 1000}, heals: true, status: "running",
		lines: failedOnce("crashes-later", died)},
	{name: "drops-its-port", b: Behaviour{DropAfter: 500}, heals: true, status: "running",
		lines: failedOnce("drops-its-port", dropped)},
	{name: "stops-itself", b: Behaviour{StopAfter: 500}, heals: true, status: "running",
		lines: failedOnce("stops-itself", "no answer to GET /health within 2 s")},
	{name: "dies-over-and-over", b: Behaviour{CrashAfter: 300}, status: "failed", lines: failedForGood("dies-over-and-over", died)},
}

// died is what is said of a process that exits with 3; now and then a check comes in between, and
// meets its port first.
const died = "(exit status 3|" + dropped + ")"

// dropped is what a check meets that comes when the port has just been closed, or as it is.
const dropped = "(connection refused|GET /health got no answer: the connection was (reset|closed))"

// failedOnce is the log of a failure that a restart mends; why is a regular expression.
func failedOnce(name, why string) []string {
	return []string{
		fmt.Sprintf(`service '%s' unhealthy \(failure 1/5\): %s`, name, why),
		fmt.Sprintf(`restarting '%s' in 1s`, name),
		fmt.Sprintf(`service '%s' restarted successfully`, name),
	}
}

// failedForGood is the log of five failures, each after a restart that went well.
func failedForGood(name, why string) []string {
	lines := failedOnce(name, why)
	for i, wait := range []string{"2s", "4s", "8s"} {
		lines = append(lines,
			fmt.Sprintf(`service '%s' unhealthy \(failure %d/5\): %s`, name, i+2, why),
			fmt.Sprintf(`restarting '%s' in %s`, name, wait),
			fmt.Sprintf(`service '%s' restarted successfully`, name))
	}
	return append(lines,
		fmt.Sprintf(`service '%s' unhealthy \(failure 5/5\): %s`, name, why),
		fmt.Sprintf(`service '%s' marked as failed after 5 consecutive failures`, name))
}

// All of them at once, beside a good one that must not notice.
func TestHostileServices(t *testing.T) {
	t.Parallel()
	needFiles(t, 150)
	h := newHome(t)
	d := startDaemon(t, h, "-health-interval", "500ms")
	good := h.Install("good", Behaviour{})
	d.MustStart("good", good)
	calm := d.watchGood()
	together(len(villains)+1, func(i int) {
		if i == len(villains) {
			listensLate(d)
			return
		}
		villains[i].play(d)
	})
	calm()
	if starts := h.Pids("good", "start"); len(starts) != 1 {
		t.Errorf("the good service was started %d times", len(starts))
	}
	if log := d.Log.String(); strings.Contains(log, "'good' unhealthy") {
		t.Errorf("the good service was counted unhealthy")
	}
	for _, pid := range h.Pids("other-group", "child") { // in a group of its own, it goes with a cgroup only
		if h.owns(pid) {
			syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// watchGood looks at the good service's entry until the function that it returns is called.
func (d *Daemon) watchGood() (stop func()) {
	var ended atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		for !ended.Load() {
			if got, want := d.entry("good"), "running"; got.Status != want || got.Failures != 0 || got.Restarts != 0 {
				d.t.Errorf("the good service: %+v", got)
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	}()
	return func() { ended.Store(true); <-done }
}

// A listed service is one service of the verbose status.
type listed struct {
	Name, Status, Version      string
	Port, PID, Processes       int
	Restarts, Failures, Uptime int
	LastError                  string `json:"last_error"`
	NextRetry                  int    `json:"next_retry_s"`
}

// entry is what status says of one service; of none, if it does not list it.
func (d *Daemon) entry(name string) listed {
	answer, err := ask(d.Addr, `{"request":"status","verbose":true}`+"\n")
	var reply struct{ Services []listed }
	if err == nil {
		err = json.Unmarshal([]byte(answer), &reply)
	}
	if err != nil {
		d.t.Errorf("status: %q, %v", answer, err)
	}
	i := slices.IndexFunc(reply.Services, func(e listed) bool { return e.Name == name })
	if i < 0 {
		return listed{}
	}
	return reply.Services[i]
}

// wordsOf are the lines of the log that name a service.
func (d *Daemon) wordsOf(name string) []string {
	var lines []string
	for line := range strings.Lines(d.Log.String()) {
		if strings.Contains(line, "'"+name+"'") {
			lines = append(lines, strings.TrimPrefix(strings.TrimSuffix(line, "\n"), "daemon: "))
		}
	}
	return lines
}

// play goes through the life of a villain, from its start to its stop.
func (v villain) play(d *Daemon) {
	h, t := d.Home, d.t
	port := h.Install(v.name, v.b)
	reply := d.Start(v.name)
	log := []string{fmt.Sprintf("started service '%s' on port %d", v.name, port)}
	if v.why != "" {
		v.status = "failed"
		log = append(log, fmt.Sprintf("failed to start '%s': %s", v.name, v.why))
		last, _, _ := strings.Cut(d.entry(v.name).LastError, ", ") // the rest says when
		if last == "" || !strings.HasSuffix(failure(t, reply), last) {
			t.Errorf("the start of %s: the reply is %q, and status -v says %q", v.name, reply, last)
		}
	} else {
		want(t, "the start of "+v.name, reply, portLine(port))
		v.fall(d)
	}
	want(t, "the status of "+v.name, d.entry(v.name).Status, v.status)
	eventually(t, "the last line about "+v.name, func() bool { return len(d.wordsOf(v.name)) >= len(log)+len(v.lines) }) // it takes a pipe
	lines := strings.Join(d.wordsOf(v.name), "\n")
	if expect := strings.Join(append(log, v.lines...), "\n"); !regexp.MustCompile("^" + expect + "$").MatchString(lines) {
		t.Errorf("the log of %s:\n%s\nwant\n%s", v.name, lines, expect)
	}
	want(t, "the stop of "+v.name, d.Stop(v.name), `{"ok":true}`+"\n")
	want(t, "the status of "+v.name+" in the end", d.entry(v.name).Status, "")
	v.checkGone(h)
}

// fall waits until what is to go wrong has, and is mended.
func (v villain) fall(d *Daemon) {
	if v.after != nil {
		d.Home.Behave(v.name, *v.after)
	}
	for _, line := range v.lines {
		pattern := regexp.MustCompile("(?m)^daemon: " + line + "$")
		eventually(d.t, "in the log: "+line, func() bool { return pattern.MatchString(d.Log.String()) })
		if v.heals && strings.Contains(line, "unhealthy") {
			d.Home.Behave(v.name, Behaviour{})
		}
	}
}

// checkGone looks for processes of a service that is stopped. Without cgroups, a child that has a
// group of its own may be left.
func (v villain) checkGone(h *Home) {
	h.t.Helper()
	for _, what := range []string{"start", "child"} {
		for _, pid := range h.Pids(v.name, what) {
			if alive(pid) && (what == "start" || !v.b.LeaveGroup) {
				h.t.Errorf("process %d of %s (%s) is left", pid, v.name, what)
			}
		}
	}
	if v.wanting != "" && h.Last(v.name, v.wanting) == 0 {
		h.t.Errorf("%s did not note %q", v.name, v.wanting)
	}
}

// listensLate is a service whose restart is given up after 10 s, and which then listens, in the
// 20 s that it has left, as SIGTERM does not end it. It is not its successor.
func listensLate(d *Daemon) {
	h, t := d.Home, d.t
	port := h.Install("late", Behaviour{}, `start-timeout = "10s"`, `stop-timeout = "20s"`)
	d.MustStart("late", port)
	h.Behave("late", Behaviour{ListenNever: true, IgnoreTerm: true})
	h.Kill("late")
	eventually(t, "the restart of late", func() bool { return len(h.Pids("late", "start")) == 2 })
	second := h.Last("late", "start")
	d.WaitLog("daemon: service 'late' failed health check after restart\n" +
		"daemon: service 'late' unhealthy (failure 2/5): health check timeout: connection refused\n")
	h.Behave("late", Behaviour{})
	eventually(t, "late, listening too late", func() bool { return h.Last("late", "listen") == second })
	if e := d.entry("late"); e.Status == "running" && e.PID == second {
		t.Errorf("late counts as running as the process that listened too late: %+v", e)
	}
	d.WaitLog("daemon: service 'late' restarted successfully\n")
	e := d.entry("late")
	if e.Status != "running" || e.PID == second || e.PID != h.Last("late", "listen") {
		t.Errorf("late: %+v, with the second process %d", e, second)
	}
	if alive(second) {
		t.Errorf("process %d of late is left", second)
	}
	want(t, "the stop of late", d.Stop("late"), `{"ok":true}`+"\n")
}
