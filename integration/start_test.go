//go:build unix

package integration

import (
	"fmt"
	"strings"
	"sync"
	"testing"
)

// logOf returns the lines of the log that tell of one service.
func (d *Daemon) logOf(name string) string {
	var lines strings.Builder
	for line := range strings.Lines(d.Log.String()) {
		if strings.Contains(line, "'"+name+"'") {
			lines.WriteString(line)
		}
	}
	return lines.String()
}

// says makes the lines of a log about a service; %[1]s is its name and %[2]d its port.
func says(name string, port int, lines ...string) string {
	var log strings.Builder
	for _, line := range lines {
		fmt.Fprint(&log, "daemon: "+strings.NewReplacer("NAME", "'"+name+"'", "PORT", fmt.Sprint(port)).Replace(line)+"\n")
	}
	return log.String()
}

// wantLog waits until the log about a service is exactly these lines.
func (d *Daemon) wantLog(name string, port int, lines ...string) {
	d.t.Helper()
	log := says(name, port, lines...)
	eventually(d.t, "the last line of "+log, func() bool { return strings.Count(d.logOf(name), "\n") >= len(lines) })
	want(d.t, "the log about "+name, d.logOf(name), log)
}

func TestServicesThatGetHealthy(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	d := startDaemon(t, h)
	var all sync.WaitGroup
	for name, b := range map[string]Behaviour{
		"plain":      {},
		"slow":       {ListenAfter: 1500},
		"grandchild": {GrandchildServes: true},
		"no-reason":  {Raw: "HTTP/1.1 200\r\n\r\n"},
		"liar":       {Status: "200 Not 404"},
		"bare":       {Raw: "HTTP/1.0 200 OK"},
	} {
		port := h.Install(name, b)
		all.Go(func() {
			want(t, name, d.Start(name), portLine(port))
			d.wantLog(name, port, "started service NAME on port PORT")
			if starts := h.Events(name)[0]; !strings.HasSuffix(starts, fmt.Sprintf(" start --listen=:%d", port)) {
				t.Errorf("%s was started as %q", name, starts)
			}
		})
	}
	all.Wait()
	want(t, "stop", d.Stop("slow"), okLine)
	d.WaitLog("daemon: stopping service 'slow'\n")
}

// Services that never get healthy, side by side: "starting" for 10 s, then an error, no process, and an entry that says
// that they failed. What already answers is asked 150 times at most.
func TestServicesThatNeverGetHealthy(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	d := startDaemon(t, h)
	var all sync.WaitGroup
	const silence, nonsense = "no answer to GET /health within 2 s", "the answer to GET /health is not HTTP"
	for name, row := range map[string]struct {
		b   Behaviour
		met string // by the last probe
	}{
		"deaf":       {Behaviour{ListenNever: true}, "connection refused"},
		"hang":       {Behaviour{Hang: true}, silence},
		"error":      {Behaviour{Status: "500 Internal Server Error"}, "GET /health answered 500"},
		"not-200":    {Behaviour{Status: "404 Not 200"}, "GET /health answered 404"},
		"no-content": {Behaviour{Status: "204 No Content"}, "GET /health answered 204"},
		"moved":      {Behaviour{Status: "301 Moved"}, "GET /health answered 301"},
		"trickle":    {Behaviour{Trickle: true}, silence},
		"endless":    {Behaviour{Endless: true}, nonsense},
		"reset":      {Behaviour{Reset: true}, "GET /health got no answer: the connection was reset"},
		"no-http":    {Behaviour{Raw: "200 OK\r\n"}, nonsense},
		"in-body":    {Behaviour{Raw: "HTTP/1.0 503 No\r\n\r\nHTTP/1.0 200 OK\r\n"}, "GET /health answered 503"},
		"long-code":  {Behaviour{Raw: "HTTP/1.0 2000 OK\r\n"}, nonsense},
		"long-line":  {Behaviour{Raw: "HTTP/1.0 200 " + strings.Repeat("y", 8<<10)}, nonsense},
		"silent":     {Behaviour{Raw: "\r\n"}, nonsense},
	} {
		port := h.Install(name, row.b)
		all.Go(func() {
			want(t, name, d.Start(name), errorLine("health check timeout: "+row.met))
			d.WaitStatus(entry(name, port, "failed"))
			if probes := len(h.Pids(name, "get")); probes > 150 {
				t.Errorf("%s was asked %d times", name, probes)
			}
			if starts := h.Pids(name, "start"); len(starts) != 1 || alive(starts[0]) {
				t.Errorf("%s: processes %v, want one that is gone", name, starts)
			}
			d.wantLog(name, port, "started service NAME on port PORT", "failed to start NAME: health check timeout: "+row.met)
		})
		d.WaitStatus(entry(name, port, "starting"))
	}
	all.Wait()
}

// An exit is told at once, with its status, and so is what came of a leader that forks and exits.
func TestServicesThatExitBeforeTheyAreHealthy(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	d := startDaemon(t, h)
	zero, three := 0, 3
	for name, row := range map[string]struct {
		b   Behaviour
		how string
	}{
		"done":       {Behaviour{ExitAtOnce: &zero}, "exit status 0"},
		"broken":     {Behaviour{ExitAtOnce: &three}, "exit status 3"},
		"background": {Behaviour{Background: true}, "exit status 0"},
		"sick":       {Behaviour{Status: "503 Not Yet", CrashAfter: 100}, "exit status 3"},
	} {
		port := h.Install(name, row.b)
		want(t, name, d.Start(name), errorLine("service '"+name+"' exited before it was healthy: "+row.how))
		d.WaitStatus(entry(name, port, "failed"))
		d.wantLog(name, port, "started service NAME on port PORT", "failed to start NAME: exited before it was healthy: "+row.how)
		for _, child := range h.Pids(name, "child") {
			if alive(child) {
				t.Errorf("the child of %s, process %d, outlives it", name, child)
			}
		}
	}
}

// Starts of one name at once make one process, and all get the same answer; so does a start of a running one.
func TestConcurrentStarts(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	port := h.Install("kv", Behaviour{ListenAfter: 300})
	d := startDaemon(t, h)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() { want(t, "start", d.Start("kv"), portLine(port)) })
	}
	all.Wait()
	d.MustStart("kv", port)
	if starts := h.Pids("kv", "start"); len(starts) != 1 {
		t.Errorf("processes %v, want one", starts)
	}
}

// What the probe sends, byte for byte.
func TestProbeRequest(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	d := startDaemon(t, h)
	for name, path := range map[string]string{"default": "/health", "root": "/", "query": "/a/b%20c?d=e&f#g"} {
		var health []string
		if name != "default" {
			health = []string{fmt.Sprintf("health = %q", path)}
		}
		port := h.Install(name, Behaviour{}, health...)
		d.MustStart(name, port)
		event := fmt.Sprintf("get GET %s HTTP/1.0 | Host: 127.0.0.1:%d | Connection: close", path, port)
		h.WaitEvent(name, event)
	}
}
