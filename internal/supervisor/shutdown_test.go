package supervisor

import (
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// Fifty services that take 4 s each to end are gone after 4 s, and so is a service in a back-off.
func TestShutdownIsSideBySide(t *testing.T) {
	simulate(t, func(s *simulation) {
		s.setup = func(p *proc) { p.slow = 4 * time.Second }
		for i := range 50 {
			name := fmt.Sprintf("s%d", i)
			s.install(name, 10000+i)
			s.up(name)
		}
		s.up("kv")
		s.crash()
		s.shutdown()
		s.at(4 * time.Second)
		s.nothingLeft()
	})
}

// A shutdown waits for the end of every service, and refuses starts. Kill does so without grace.
func TestShutdown(t *testing.T) {
	slowKV := kvWhich(func(p *proc) { p.slow = 3 * time.Second })
	spawningKV := func(s *simulation) {
		s.spawnTime = time.Second
		s.start("kv")
	}
	for _, c := range []struct {
		name     string
		before   func(*simulation)
		requests func(*simulation)
		want     string
	}{
		{"a start waits for a stop", slowKV, func(s *simulation) {
			s.stop("kv")
			s.start("kv")
			s.shutdown()
		}, `
			0s SIGTERM 101
			0s start kv: error: service 'kv' was stopped
			3s exit 101: exit status 0
			3s shutdown: ok
			3s stop kv: ok
		`},
		{"it is being spawned", spawningKV, (*simulation).shutdown, `
			0s start kv: error: …
			1s spawn kv 101
			1s SIGTERM 101
			1s exit 101: signal: terminated
			1s shutdown: ok
		`},
		{"the disk does not answer a restart", func(s *simulation) {
			s.up("kv")
			s.set(func() { s.loadTime = time.Hour })
			s.crash()
			s.wait(backoff(1))
		}, (*simulation).shutdown, `
			0s shutdown: ok
		`},
		{"without grace", slowKV, (*simulation).kill, `
			0s SIGKILL 101
			0s exit 101: signal: killed
			0s kill: ok
		`},
		{"it is being spawned, without grace", spawningKV, func(s *simulation) {
			s.kill()
			s.stop("kv") // gives no grace
		}, `
			0s start kv: error: …
			1s spawn kv 101
			1s SIGKILL 101
			1s exit 101: signal: killed
			1s kill: ok
			1s stop kv: ok
		`},
		{"cut short", slowKV, func(s *simulation) {
			s.shutdown()
			s.at(time.Second)
			s.kill()
		}, `
			0s SIGTERM 101
			1s SIGKILL 101
			1s exit 101: signal: killed
			1s kill: ok
			1s shutdown: ok
		`},
	} {
		t.Run(c.name, func(t *testing.T) {
			simulate(t, func(s *simulation) {
				s.install("db", 9300)
				c.before(s)
				s.restartClock()
				c.requests(s)
				s.at(2 * time.Hour)
				s.expect(c.want)
				s.nothingLeft()
				s.start("kv")
				s.start("db")
				s.expect(`
					start db: error: the daemon is shutting down
					start kv: error: the daemon is shutting down
				`)
			})
		})
	}
}

// However the requests interleave, each is answered, and nothing runs when Shutdown has returned.
func TestStartsAndStopsRaceWithShutdown(t *testing.T) {
	for range 200 {
		t.Run("", func(t *testing.T) {
			simulate(t, func(s *simulation) {
				var answers atomic.Int32
				for range 8 {
					go func() { s.sup.Start("kv"); answers.Add(1) }()
					go func() { s.sup.Stop("kv"); answers.Add(1) }()
				}
				if err := s.sup.Shutdown(); err != nil {
					t.Error(err)
				}
				synctest.Wait()
				s.nothingLeft()
				if n := answers.Load(); n != 16 {
					t.Errorf("%d of 16 were answered", n)
				}
			})
		})
	}
}

// A start that found its service before the shutdown did may reach it later.
func TestStartOvertakenByShutdown(t *testing.T) {
	simulate(t, func(s *simulation) {
		p := s.up("kv")
		s.set(func() { p.slow = time.Second })
		svc, _ := s.sup.forStart("kv")
		s.shutdown()
		s.stop("kv")
		reply := make(chan startReply, 1)
		svc.send(startMsg{reply})
		s.at(time.Minute)
		if r := <-reply; r.err != ErrShutdown {
			t.Errorf("%+v", r)
		}
		s.nothingLeft()
	})
}
