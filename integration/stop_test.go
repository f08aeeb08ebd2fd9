//go:build unix

package integration

import (
	"strings"
	"testing"
)

// The reply to a stop comes when no process of the service remains, not before.
func TestStop(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	d := startDaemon(t, h)
	for name, b := range map[string]Behaviour{
		"plain":      {},
		"grandchild": {Grandchild: true},
		"flush":      {FlushOnTerm: 500, Grandchild: true},
		"stubborn":   {IgnoreTerm: true, Grandchild: true}, // for the whole grace
	} {
		port := h.Install(name, b)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d.MustStart(name, port)
			if b.Grandchild {
				h.WaitEvent(name, "child")
			}
			d.MustStop(name)
			starts := h.Pids(name, "start")
			wantGone(t, "after the reply", append(starts, h.Pids(name, "child")...)...)
			if len(starts) != 1 {
				t.Errorf("processes %v, want one", starts)
			}
			if !free(port) {
				t.Errorf("port %d is still taken after the reply", port)
			}
			if status := d.Status(); strings.Contains(status, name) {
				t.Errorf("it is listed after the reply: %s", status)
			}
			if b.FlushOnTerm > 0 && h.Last(name, "flushed") == 0 {
				t.Error("it did not get the time to flush")
			}
			if b.IgnoreTerm && h.Last(name, "term") == 0 {
				t.Error("it was killed without a SIGTERM")
			}
		})
	}
}

// SIGTERM goes to the whole group at once: the child ends while the leader goes on.
func TestStopSignalsTheGroup(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	port := h.Install("kv", Behaviour{IgnoreTerm: true, Grandchild: true}, `stop-timeout = "1m"`)
	d := startDaemon(t, h)
	d.MustStart("kv", port)
	child := h.WaitEvent("kv", "child")
	stopped := d.CtlAsync("stop", "kv")
	eventually(t, "the end of the child", func() bool { return !alive(child) })
	if !alive(h.Last("kv", "start")) {
		t.Error("the child ended after its leader")
	}
	want(t, "status", d.Status(), statusLine(entry("kv", port, "running")))
	h.Kill("kv")
	want(t, "stop", <-stopped, okLine)
	want(t, "status", d.Status(), statusLine())
}

// A start during a stop waits for it, then makes a new process.
func TestStartDuringAStop(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	port := h.Install("kv", Behaviour{FlushOnTerm: 500})
	d := startDaemon(t, h)
	d.MustStart("kv", port)
	first := h.Last("kv", "start")
	stopped := d.CtlAsync("stop", "kv")
	h.WaitEvent("kv", "term")
	d.MustStart("kv", port)
	want(t, "stop", <-stopped, okLine)
	if alive(first) || h.Last("kv", "start") == first {
		t.Error("the start was answered by the old process")
	}
}

// A shell without exec ends at once on SIGTERM; its database needs a second. On a stop it gets that
// time. After a crash of the shell it is killed at once.
func TestChildThatFlushes(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	d := startDaemon(t, h, "-health-interval", "1h")
	for name, flushes := range map[string]bool{"stop": true, "crash": false} {
		port := h.Install(name, Behaviour{ChildFlushes: 1000})
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d.MustStart(name, port)
			child := h.WaitEvent(name, "child")
			if flushes {
				d.MustStop(name)
			} else {
				h.Behave(name, Behaviour{})
				d.Crash(name)
			}
			if got := h.Last(name, "flushed") == child; got != flushes || alive(child) {
				t.Errorf("flushed: %v, want %v; alive: %v", got, flushes, alive(child))
			}
		})
	}
}
