//go:build unix

package integration

import (
	"syscall"
	"testing"
	"time"
)

// freeze stops the daemon and everything in more for longer than any deadline that is near. The daemon is the first
// that goes on.
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

// The daemon is paused in the middle of a check for longer than the check may take. A service that has answered
// meanwhile, or could not because it was paused as well, is left alone.
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

// The daemon is paused until after the time that a start may take. The service that has got healthy meanwhile
// counts as healthy.
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
