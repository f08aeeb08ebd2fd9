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
	inWorld(t, func(w *world) {
		w.up("kv")
		w.set(func() { w.watched = true })
		w.at(30 * time.Second)
		w.expect(`
			8s probe 101
			18s probe 101
			28s probe 101
		`)
	})
}

func TestFailedCheckRestarts(t *testing.T) {
	inWorld(t, func(w *world) {
		p := w.up("kv")
		w.set(func() { p.slow = 400 * time.Millisecond })
		w.failCheck("kv")
		w.wait(backoff(1))
		w.expect(`
			0s SIGTERM 101
			400ms exit 101: exit status 0
			restart kv 102 after failure 1: ill
		`)
	})
}

// A check fails after health-timeout. The back-off is the grace, so that the restart is not late.
func TestCheckWithoutAnAnswer(t *testing.T) {
	inWorld(t, func(w *world) {
		p := w.up("kv")
		w.set(func() { p.takes, p.deaf = hangs, true })
		w.untilCheck()
		w.at(healthTimeout + backoff(1) + 100*time.Millisecond)
		w.expect(`
			2s SIGTERM 101
			SIGKILL 101
			exit 101: signal: killed
			restart kv 102 after failure 1: no answer to GET /health within 2 s
		`)
	})
}

// An exit is noticed at once, even while a check waits for its answer. The check does not count then.
func TestExitDuringACheck(t *testing.T) {
	inWorld(t, func(w *world) {
		p := w.up("kv")
		w.set(func() { p.takes = hangs })
		w.untilCheck()
		w.at(time.Second)
		p.exit("signal: segmentation fault")
		w.wait(backoff(1) + 2*healthTimeout)
		w.expect(`
			1s exit 101: signal: segmentation fault
			restart kv 102 after failure 1: signal: segmentation fault
		`)
	})
}

// A check that cannot be made is no failure. It is made again after a second.
func TestChecksWithoutAVerdict(t *testing.T) {
	inWorld(t, func(w *world) {
		p := w.up("kv")
		w.set(func() { p.ill = fmt.Errorf("%w: too many open files", health.ErrNoVerdict) })
		w.untilCheck()
		w.set(func() { w.watched = true })
		w.at(1500 * time.Millisecond)
		w.set(func() { p.ill = nil })
		w.at(13 * time.Second)
		w.expect(`
			1s probe 101
			2s probe 101
			10s probe 101
		`)
		if n := w.info("kv").Failures; n != 0 {
			t.Errorf("%d failures", n)
		}
	})
}

// A slow check does not shift the next one. While a check takes longer than the interval, no other
// begins.
func TestSlowChecksKeepTheirMoments(t *testing.T) {
	inWorld(t, func(w *world) {
		w.sup.rounds.interval = time.Second
		p := w.up("kv")
		w.set(func() { p.takes = 700 * time.Millisecond })
		w.untilCheck()
		w.set(func() { w.watched = true })
		w.at(1200 * time.Millisecond)
		w.set(func() { p.takes = 1500 * time.Millisecond })
		w.at(4200 * time.Millisecond)
		w.expect(`
			1s probe 101
			2s probe 101
			4s probe 101
		`)
	})
}

// A thousand services are not asked at once. Services that hang do not delay the checks of others.
func TestChecksOfManyServices(t *testing.T) {
	inWorld(t, func(w *world) {
		const services, hanging = 1000, 250
		names := make([]string, services)
		for i := range names {
			names[i] = fmt.Sprint("s", i)
			w.install(names[i], 10000+i)
			w.start(names[i])
		}
		w.restartClock()
		w.set(func() {
			for i, p := range w.procs {
				if p.takes = 3 * time.Millisecond; i%(services/hanging) == 0 {
					p.takes = hangs
				} else {
					p.ill = errors.New("ill")
				}
			}
		})
		w.at(DefaultInterval + healthTimeout + time.Second)
		for _, name := range names {
			info := w.info(name)
			first := w.zero.Truncate(time.Second) // when the supervisor began
			late := info.LastErrorAt.Sub(first) % (DefaultInterval / moments)
			if info.Failures != 1 || late > 200*time.Millisecond {
				t.Errorf("%s has %d failures, the check ended %v after its moment", name, info.Failures, late)
			}
		}
		if w.mostAsked > 100 {
			t.Errorf("%d services were asked at once", w.mostAsked)
		}
	})
}

func TestNoServiceDelaysAnother(t *testing.T) {
	inWorld(t, func(w *world) {
		w.install("db", 9300)
		kv, db := w.up("kv"), w.up("db")
		w.set(func() { kv.takes, kv.deaf, db.deaf = hangs, true, true })
		w.stop("kv")
		w.start("db")
		w.stop("unknown")
		w.is("db", "running")
		w.expect(`
			0s SIGTERM 101
			0s start db: ok
			0s stop unknown: ok
		`)
	})
}

// A message about a run that has ended changes nothing.
func TestStaleMessages(t *testing.T) {
	inWorld(t, func(w *world) {
		w.upAfter(1, "kv")
		svc, _ := w.sup.forStart("kv")
		before := w.info("kv")
		svc.send(exitedMsg{run: 1, why: "late"})
		svc.send(probedMsg{1, errors.New("late")})
		w.at(time.Second)
		if after := w.info("kv"); after != before {
			t.Errorf("%+v became %+v", before, after)
		}
	})
}

// The result of a probe changes nothing while its run is being ended.
func TestProbeOfAnEndingRun(t *testing.T) {
	inWorld(t, func(w *world) {
		p := w.up("kv")
		w.set(func() { p.deaf = true })
		w.stop("kv")
		svc, _ := w.sup.forStart("kv")
		svc.send(probedMsg{1, nil})
		svc.send(probedMsg{1, &ForeignError{Port: 9200}})
		w.at(6 * time.Second)
		w.expect(`
			0s SIGTERM 101
			5s SIGKILL 101
			5s exit 101: signal: killed
			5s stop kv: ok
		`)
	})
}

// The probes of a start end with its process.
func TestNoProbesInABackoff(t *testing.T) {
	inWorld(t, func(w *world) {
		w.up("kv")
		w.crash()
		w.set(func() { w.setup = func(p *proc) { p.ready, p.dies = time.Hour, 10*time.Millisecond } })
		w.wait(backoff(1) + 500*time.Millisecond)
		w.set(func() { w.watched = true })
		w.forget()
		w.wait(backoff(2) - time.Second)
		w.expect("")
	})
}
