package supervisor

import (
	"testing"
	"time"

	"zr/internal/health"
)

// undying brings kv up with a process that survives SIGKILL.
func undying(s *simulation) *proc {
	p := s.up("kv")
	s.set(func() { p.deaf, p.immortal = true, true })
	return p
}

// A process that SIGKILL does not end is an error for every client that waits for it, and delays no
// other service. It is listed until it ends.
func TestStopOfAStuckProcess(t *testing.T) {
	const stuckError = "service 'kv': process 101 or its child is still there 5s after SIGKILL, stuck in the kernel or not the daemon's to kill"
	simulate(t, func(s *simulation) {
		s.install("db", 9300)
		p := undying(s)
		s.stop("kv")
		s.at(4 * time.Second)
		s.start("kv")
		s.at(10 * time.Second)
		s.expect(`
			0s SIGTERM 101
			5s SIGKILL 101
			10s start kv: error: ` + stuckError + `
			10s stop kv: error: ` + stuckError)
		s.at(11 * time.Second)
		s.start("kv")
		s.stop("kv")
		s.start("db")
		s.expect(`
			11s spawn db 102
			11s start db: ok
			11s start kv: error: ` + stuckError + `
			11s stop kv: error: ` + stuckError)
		if info := s.info("kv"); info.Status != "failed" || info.PID != 101 {
			t.Errorf("status while it is stuck: %+v", info)
		}
		s.at(time.Hour)
		s.expect("")
		p.exit("signal: killed")
		s.at(time.Hour)
		s.is("kv", "")
		s.start("kv")
		s.is("kv", "running")
	})
}

// A process that gets stuck in a restart, which no client asked to stop, stays listed as failed
// when it has ended.
func TestStuckInARestart(t *testing.T) {
	simulate(t, func(s *simulation) {
		p := undying(s)
		s.failCheck("kv")
		s.start("kv")
		s.wait(backoff(1))
		s.zero = time.Now()
		s.at(time.Minute)
		s.expect(`
			SIGTERM 101
			0s SIGKILL 101
			5s start kv: error: …
		`)
		why := s.info("kv").LastError
		p.exit("signal: killed")
		s.at(2 * time.Minute)
		s.onlyFailed("kv", why)
	})
}

func TestStuckInAShutdown(t *testing.T) {
	simulate(t, func(s *simulation) {
		s.install("db", 9300)
		undying(s)
		s.up("db")
		s.shutdown()
		s.at(9 * time.Second)
		s.is("db", "")
		s.forget()
		s.at(time.Minute)
		s.expect("10s shutdown: error: service 'kv'…")
		s.start("kv")
		s.expect("start kv: error: the daemon is shutting down")
	})
}

// A process exits, but something that it started survives SIGKILL. That is a failure, although the
// end of the run is never reported.
func TestExitedWithAStuckChild(t *testing.T) {
	simulate(t, func(s *simulation) {
		p := s.up("kv")
		s.set(func() { p.leftover, p.ill = true, health.ErrRefused })
		p.exit("signal: killed")
		s.at(DefaultInterval + killTimeout)
		if info := s.info("kv"); info.Failures != 1 {
			t.Errorf("the exit is no failure: %+v", info)
		}
		s.at(time.Minute)
		why := s.info("kv").LastError
		s.set(func() { p.exited <- "signal: killed" })
		s.at(2 * time.Minute)
		s.onlyFailed("kv", why)
	})
}

// A start that got stuck does not change the outcome of later starts.
func TestStuckInAStart(t *testing.T) {
	simulate(t, func(s *simulation) {
		s.setup = func(p *proc) { p.takes, p.deaf, p.immortal = hangs, true, true }
		s.start("kv")
		s.at(time.Minute)
		s.last().exit("signal: killed")
		s.set(func() { s.setup = nil })
		s.at(time.Minute)
		p := s.upAfter(4, "kv")
		s.set(func() { p.slow = time.Second })
		s.failCheck("kv")
		s.start("kv")
		s.at(time.Minute)
		s.expect(`
			0s SIGTERM 106
			1s exit 106: exit status 0
			1s spawn kv 107
			1s start kv: ok
		`)
	})
}
