package supervisor

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"zr/internal/health"
)

// The name of kv gives it the moment 8 s after its supervisor began, and every 10 s from then on.
func TestChecksKeepTheirInterval(t *testing.T) {
	simulate(t, func(s *simulation) {
		s.up("kv")
		s.set(func() { s.watched = true })
		s.at(30 * time.Second)
		s.expect(`
			8s probe 101
			18s probe 101
			28s probe 101
		`)
	})
}

func TestFailedCheckRestarts(t *testing.T) {
	simulate(t, func(s *simulation) {
		p := s.up("kv")
		s.set(func() { p.slow = 400 * time.Millisecond })
		s.failCheck("kv")
		s.wait(backoff(1))
		s.expect(`
			0s SIGTERM 101
			400ms exit 101: exit status 0
			restart kv 102 after failure 1: ill
		`)
	})
}

// A check fails after health-timeout. The back-off is the grace, so that the restart is not late.
func TestCheckWithoutAnAnswer(t *testing.T) {
	simulate(t, func(s *simulation) {
		p := s.up("kv")
		s.set(func() { p.takes, p.deaf = hangs, true })
		s.untilCheck()
		s.at(healthTimeout + backoff(1) + 100*time.Millisecond)
		s.expect(`
			2s SIGTERM 101
			SIGKILL 101
			exit 101: signal: killed
			restart kv 102 after failure 1: no answer to GET /health within 2 s
		`)
	})
}

// An exit is noticed at once, even while a check waits for its answer. The check does not count
// then.
func TestExitDuringACheck(t *testing.T) {
	simulate(t, func(s *simulation) {
		p := s.up("kv")
		s.set(func() { p.takes = hangs })
		s.untilCheck()
		s.at(time.Second)
		p.exit("signal: segmentation fault")
		s.wait(backoff(1) + 2*healthTimeout)
		s.expect(`
			1s exit 101: signal: segmentation fault
			restart kv 102 after failure 1: signal: segmentation fault
		`)
	})
}

// A check that cannot be made is no failure. It is made again after a second.
func TestChecksWithoutAVerdict(t *testing.T) {
	simulate(t, func(s *simulation) {
		p := s.up("kv")
		s.set(func() { p.ill = fmt.Errorf("%w: too many open files", health.ErrNoVerdict) })
		s.untilCheck()
		s.set(func() { s.watched = true })
		s.at(1500 * time.Millisecond)
		s.set(func() { p.ill = nil })
		s.at(13 * time.Second)
		s.expect(`
			1s probe 101
			2s probe 101
			10s probe 101
		`)
		if n := s.info("kv").Failures; n != 0 {
			t.Errorf("%d failures", n)
		}
	})
}

// A slow check does not shift the next one. While a check takes longer than the interval, no other
// begins.
func TestSlowChecksKeepTheirMoments(t *testing.T) {
	simulate(t, func(s *simulation) {
		s.sup.rounds.interval = time.Second
		p := s.up("kv")
		s.set(func() { p.takes = 700 * time.Millisecond })
		s.untilCheck()
		s.set(func() { s.watched = true })
		s.at(1200 * time.Millisecond)
		s.set(func() { p.takes = 1500 * time.Millisecond })
		s.at(4200 * time.Millisecond)
		s.expect(`
			1s probe 101
			2s probe 101
			4s probe 101
		`)
	})
}

// A thousand services are not asked at once. Services that hang do not delay the checks of others.
func TestChecksOfManyServices(t *testing.T) {
	simulate(t, func(s *simulation) {
		const services = 1000 // two hundred at each moment
		for i := range services {
			name := fmt.Sprint("s", i)
			s.install(name, 10000+i)
			s.start(name)
		}
		s.restartClock()
		s.set(func() {
			for i, p := range s.procs {
				if p.takes = 3 * time.Millisecond; i%2 == 0 {
					p.takes = hangs
				} else {
					p.ill = errors.New("ill")
				}
			}
		})
		s.at(DefaultInterval + healthTimeout + time.Second)
		began := s.zero.Truncate(time.Second) // when the supervisor began
		for _, info := range s.sup.Status() {
			late := info.LastErrorAt.Sub(began) % (DefaultInterval / moments)
			if info.Failures != 1 || late > 100*time.Millisecond {
				t.Errorf("%s has %d failures, its check ended %v after its moment", info.Name, info.Failures, late)
			}
		}
		if s.mostAsked > 70 {
			t.Errorf("%d services were asked at once", s.mostAsked)
		}
	})
}

func TestNoServiceDelaysAnother(t *testing.T) {
	simulate(t, func(s *simulation) {
		s.install("db", 9300)
		kv, db := s.up("kv"), s.up("db")
		s.set(func() { kv.takes, kv.deaf, db.deaf = hangs, true, true })
		s.stop("kv")
		s.start("db")
		s.stop("unknown")
		s.is("db", "running")
		s.expect(`
			0s SIGTERM 101
			0s start db: ok
			0s stop unknown: ok
		`)
	})
}

// A message about a run that has ended changes nothing.
func TestStaleMessages(t *testing.T) {
	simulate(t, func(s *simulation) {
		s.upAfter(1, "kv")
		svc, _ := s.sup.forStart("kv")
		before := s.info("kv")
		svc.send(exitedMsg{run: 1, why: "late"})
		svc.send(probedMsg{1, errors.New("late")})
		s.at(time.Second)
		if after := s.info("kv"); after != before {
			t.Errorf("%+v became %+v", before, after)
		}
	})
}

// The result of a probe changes nothing while its run is being ended.
func TestProbeOfAnEndingRun(t *testing.T) {
	simulate(t, func(s *simulation) {
		p := s.up("kv")
		s.set(func() { p.deaf = true })
		s.stop("kv")
		svc, _ := s.sup.forStart("kv")
		svc.send(probedMsg{1, nil})
		svc.send(probedMsg{1, &ForeignError{Port: 9200}})
		s.at(6 * time.Second)
		s.expect(`
			0s SIGTERM 101
			5s SIGKILL 101
			5s exit 101: signal: killed
			5s stop kv: ok
		`)
	})
}

// The probes of a start end with its process.
func TestNoProbesInABackoff(t *testing.T) {
	simulate(t, func(s *simulation) {
		s.up("kv")
		s.crash()
		s.set(func() { s.setup = func(p *proc) { p.ready, p.dies = time.Hour, 10*time.Millisecond } })
		s.wait(backoff(1) + 500*time.Millisecond)
		s.set(func() { s.watched = true })
		s.forget()
		s.wait(backoff(2) - time.Second)
		s.expect("")
	})
}
