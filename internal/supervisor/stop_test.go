package supervisor

import (
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"zr/internal/packages"
)

// kvWhich brings kv up and changes its process.
func kvWhich(change func(*proc)) func(*simulation) {
	return func(s *simulation) {
		p := s.up("kv")
		s.set(func() { change(p) })
	}
}

// A stop wins over everything. A second one shortens nothing and gives no further grace.
func TestStop(t *testing.T) {
	for _, c := range []struct {
		name   string
		before func(s *simulation)
		status string // 100 ms after the stop
		want   string
	}{
		{"it is not running", func(s *simulation) {}, "", `
			0s stop kv: ok
			1s stop kv: ok
		`},
		{"it takes 3 s to end", kvWhich(func(p *proc) { p.slow = 3 * time.Second }), "running", `
			0s SIGTERM 101
			3s exit 101: exit status 0
			3s stop kv: ok
			3s stop kv: ok
		`},
		{"it ignores SIGTERM", kvWhich(func(p *proc) { p.deaf = true }), "running", `
			0s SIGTERM 101
			5s SIGKILL 101
			5s exit 101: signal: killed
			5s stop kv: ok
			5s stop kv: ok
		`},
		{"its definition sets a stop-timeout", func(s *simulation) {
			s.change("kv", func(pkg *packages.Service) { pkg.StopTimeout = 20 * time.Second })
			kvWhich(func(p *proc) { p.deaf = true })(s)
		}, "running", `
			0s SIGTERM 101
			20s SIGKILL 101
			20s exit 101: signal: killed
			20s stop kv: ok
			20s stop kv: ok
		`},
		{"the disk does not answer", func(s *simulation) {
			s.loadTime = time.Hour
			s.start("kv")
		}, "", `
			0s start kv: error: …
			0s stop kv: ok
			1s stop kv: ok
		`},
		{"it is being spawned", func(s *simulation) {
			s.spawnTime = 2 * time.Second
			s.start("kv")
		}, "", `
			0s start kv: error: …
			2s spawn kv 101
			2s SIGTERM 101
			2s exit 101: signal: terminated
			2s stop kv: ok
			2s stop kv: ok
		`},
		{"it is starting", func(s *simulation) {
			s.setup = func(p *proc) { p.ready = time.Hour }
			s.start("kv")
		}, "", `
			0s SIGTERM 101
			0s exit 101: signal: terminated
			0s start kv: error: service 'kv' was stopped
			0s stop kv: ok
			1s stop kv: ok
		`},
		{"its start failed, and its process ignores SIGTERM", func(s *simulation) {
			s.setup = func(p *proc) { p.ready, p.deaf = time.Hour, true }
			s.start("kv")
			s.at(12 * time.Second)
		}, "starting", `
			0s start kv: error: …
			3s SIGKILL 101
			3s exit 101: signal: killed
			3s stop kv: ok
			3s stop kv: ok
		`},
		{"its process is being killed", func(s *simulation) {
			kvWhich(func(p *proc) { p.deaf, p.immortal = true, true })(s)
			s.failCheck("kv")
			s.wait(backoff(1))
			time.AfterFunc(2*time.Second, func() { s.last().exit("signal: killed") })
		}, "starting", `
			2s exit 101: signal: killed
			2s stop kv: ok
			2s stop kv: ok
		`},
	} {
		t.Run(c.name, func(t *testing.T) {
			simulate(t, func(s *simulation) {
				c.before(s)
				s.restartClock()
				s.stop("kv")
				s.at(100 * time.Millisecond)
				s.is("kv", c.status)
				s.at(time.Second)
				s.stop("kv")
				s.at(2 * time.Hour)
				s.expect(c.want)
				s.nothingLeft()
			})
		})
	}
}

// A start after a stop, or during the end of a failed start, waits for the end and starts the
// service anew.
func TestStartAfterStop(t *testing.T) {
	for _, c := range []struct {
		name   string
		before func(s *simulation)
		want   string
	}{
		{"it takes 2 s to end", kvWhich(func(p *proc) { p.slow = 2 * time.Second }), `
			0s SIGTERM 101
			2s exit 101: exit status 0
			2s spawn kv 102
			2s start kv: ok
			2s start kv: ok
			2s stop kv: ok
		`},
		{"it is being spawned", func(s *simulation) {
			s.spawnTime = time.Second
			s.start("kv")
		}, `
			0s start kv: error: …
			1s spawn kv 101
			1s SIGTERM 101
			1s exit 101: signal: terminated
			1s stop kv: ok
			2s spawn kv 102
			2s start kv: ok
			2s start kv: ok
		`},
		{"the disk did not answer", func(s *simulation) {
			s.loadTime = time.Hour
			s.start("kv")
			s.set(func() { s.loadTime = 0 })
		}, `
			0s spawn kv 101
			0s start kv: error: …
			0s start kv: ok
			0s start kv: ok
			0s stop kv: ok
		`},
		{"its start failed, and its process takes 2 s to end", func(s *simulation) {
			s.setup = func(p *proc) { p.ready, p.slow = time.Hour, 2*time.Second }
			s.start("kv")
			s.at(11 * time.Second)
			s.set(func() { s.setup = nil })
		}, `
			0s start kv: error: …
			1s exit 101: exit status 0
			1s spawn kv 102
			1s start kv: ok
			1s start kv: ok
			1s stop kv: ok
		`},
	} {
		t.Run(c.name, func(t *testing.T) {
			simulate(t, func(s *simulation) {
				c.before(s)
				s.restartClock()
				s.stop("kv")
				s.start("kv")
				s.start("kv")
				s.at(2 * time.Hour)
				s.expect(c.want)
				s.is("kv", "running")
			})
		})
	}
}

// When a restart ends a process, whose grace is the back-off, a stop gives it the whole grace of a
// stop.
func TestStopWhileARestartEndsTheProcess(t *testing.T) {
	for _, failures := range []int{1, 4} {
		wait := backoff(failures)
		t.Run(wait.String(), func(t *testing.T) {
			simulate(t, func(s *simulation) {
				p := s.upAfter(failures-1, "kv")
				s.set(func() { p.deaf = true })
				s.failCheck("kv")
				s.at(wait / 4)
				s.stop("kv")
				s.at(wait/4 + grace - 10*time.Millisecond)
				s.expect("0s SIGTERM…")
				s.at(wait/4 + grace)
				s.nothingLeft()
			})
		})
	}
}

// A restart leaves the old process its stop-timeout, if that is longer than the back-off, and waits
// no longer than the process takes.
func TestStopTimeoutOfARestart(t *testing.T) {
	simulate(t, func(s *simulation) {
		s.change("kv", func(pkg *packages.Service) { pkg.StopTimeout, pkg.StopTimeoutSet = 20*time.Second, true })
		p := s.up("kv")
		s.set(func() { p.slow = 7 * time.Second })
		s.failCheck("kv")
		s.at(8 * time.Second)
		s.expect(`
			0s SIGTERM 101
			7s exit 101: exit status 0
			7s restart kv 102 after failure 1: ill
		`)
	})
}

// A service leaves the list before its stop is answered.
func TestStopAnswersWhenTheEntryIsGone(t *testing.T) {
	simulate(t, func(s *simulation) {
		p := s.up("kv")
		s.set(func() { p.deaf = true })
		svc, _ := s.sup.forStart("kv")
		reply := make(chan error, 1)
		svc.send(stopMsg{reply: reply})
		synctest.Wait()
		s.sup.mu.Lock() // the list cannot change
		p.exit("exit status 0")
		for range 10_000 { // virtual time stands still while a goroutine waits for a lock
			runtime.Gosched()
		}
		if len(reply) > 0 {
			t.Error("answered while it was listed")
		}
		s.sup.mu.Unlock()
		<-reply
	})
}
