//go:build unix

package integration

import (
	"syscall"
	"testing"
	"time"
)

// freeze stops the daemon and other processes for some time. The daemon continues first.
func (d *Daemon) freeze(long time.Duration, more ...int) {
	pids := append([]int{d.Pid()}, more...)
	for _, pid := range pids {
		syscall.Kill(pid, syscall.SIGSTOP)
	}
	time.Sleep(long)
	for _, pid := range pids {
		syscall.Kill(pid, syscall.SIGCONT)
		time.Sleep(200 * time.Millisecond)
	}
}

// The daemon is paused during a check for longer than the check may take. The service may have
// answered meanwhile, or be paused too. It is not restarted.
func TestPauseDuringACheck(t *testing.T) {
	t.Parallel()
	for name, both := range map[string]bool{"the daemon": false, "the machine": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHome(t)
			port := h.Install("kv", Behaviour{AnswerAfter: 500}, `health-timeout = "3s"`)
			d := startDaemon(t, h, "-health-interval", "100ms")
			d.MustStart("kv", port)
			before := len(h.Pids("kv", "get"))
			eventually(t, "a check", func() bool { return len(h.Pids("kv", "get")) > before })
			var more []int
			if both {
				more = h.Pids("kv", "start")
			}
			d.freeze(4*time.Second, more...)
			before = len(h.Pids("kv", "get"))
			eventually(t, "two more checks", func() bool { return len(h.Pids("kv", "get")) > before+2 })
			d.WantNoFailure("kv")
		})
	}
}

// The daemon is paused until the start timeout is over. A service that is healthy by then has
// started.
func TestPauseDuringAStart(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	port := h.Install("kv", Behaviour{ListenNever: true}, `start-timeout = "6s"`)
	d := startDaemon(t, h)
	reply := d.CtlAsync("start", "kv")
	h.WaitEvent("kv", "start")
	h.Behave("kv", Behaviour{})
	d.freeze(7 * time.Second)
	want(t, "the start", <-reply, portLine(port))
}

// The machine is paused while a service ends, for longer than the rest of its grace. The service
// still has that time afterwards.
func TestPauseDuringAStop(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	port := h.Install("kv", Behaviour{FlushOnTerm: 1000}, `stop-timeout = "3s"`)
	d := startDaemon(t, h)
	d.MustStart("kv", port)
	reply := d.CtlAsync("stop", "kv")
	h.WaitEvent("kv", "term")
	d.freeze(4*time.Second, h.Last("kv", "start"))
	want(t, "the stop", <-reply, okLine)
	if h.Last("kv", "flushed") == 0 {
		t.Error("it did not get the time to flush")
	}
}
