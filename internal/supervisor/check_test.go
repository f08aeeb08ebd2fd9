package supervisor

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"zr/internal/health"
)

// kv is checked 8 s after its supervisor began, and then every 10 s: rounds.
func TestChecksKeepTheirInterval(t *testing.T) {
	inWorld(t, func(w *world) {
		w.up("kv")
		w.set(func() { w.watched = true })
		w.at(40 * time.Second)
		w.expect(`
			8s probe 101
			18s probe 101
			28s probe 101
			38s probe 101
		`)
	})
}

func TestFailedCheckRestarts(t *testing.T) {
	inWorld(t, func(w *world) {
		p := w.up("kv")
		w.set(func() { p.ill, p.slow = errors.New("GET /health answered 500"), 400*time.Millisecond })
		w.at(10 * time.Second)
		w.expect(`
			8s SIGTERM 101
			8.4s exit 101: exit status 0
			restart kv 102 after failure 1: GET /health answered 500
		`)
	})
}

// The back-off is the grace: a restart costs no time beyond it.
func TestFailedCheckOfADeafOne(t *testing.T) {
	inWorld(t, func(w *world) {
		p := w.up("kv")
		w.set(func() { p.takes, p.deaf = hangs, true })
		w.at(12 * time.Second)
		w.expect(`
			10s SIGTERM 101
			SIGKILL 101
			exit 101: signal: killed
			restart kv 102 after failure 1: no answer to GET /health within 2 s
		`)
	})
}

// An exit is noticed at once, also while a check waits for its answer, whose end is
// then nobody's failure.
func TestExitDuringACheck(t *testing.T) {
	inWorld(t, func(w *world) {
		p := w.up("kv")
		w.set(func() { p.takes = hangs })
		w.at(8 * time.Second)
		p.exit("signal: segmentation fault")
		w.at(16 * time.Second)
		w.expect(`
			8s exit 101: signal: segmentation fault
			restart kv 102 after failure 1: signal: segmentation fault
		`)
	})
}

// What the daemon could not ask is no failure; it asks again a second later, and then in step.
func TestChecksThatCannotBeMadeAreNotCounted(t *testing.T) {
	inWorld(t, func(w *world) {
		p := w.up("kv")
		w.set(func() { p.ill, w.watched = fmt.Errorf("%w: too many open files", health.ErrNoVerdict), true })
		w.at(9500 * time.Millisecond)
		w.set(func() { p.ill = nil })
		w.at(21 * time.Second)
		w.expect(`
			8s probe 101
			9s probe 101
			10s probe 101
			18s probe 101
		`)
		if n := w.info("kv").Failures; n != 0 {
			t.Errorf("%d failures", n)
		}
	})
}

// A check that takes its time does not shift the next one, and one that takes more than
// an interval is not joined by another.
func TestSlowChecksStayInStep(t *testing.T) {
	inWorld(t, func(w *world) {
		w.sup.rounds.interval = time.Second
		p := w.up("kv")
		w.set(func() { w.watched, p.takes = true, 700*time.Millisecond })
		w.at(2 * time.Second)
		w.set(func() { p.takes = 1500 * time.Millisecond })
		w.at(5 * time.Second)
		w.expect(`
			800ms probe 101
			1.8s probe 101
			2.8s probe 101
			4.8s probe 101
		`)
	})
}

// Many services are not made to answer at once, and those that hang do not delay the others.
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
		if status := w.info("db").Status; status != "running" {
			t.Errorf("db is %s", status)
		}
		w.stop("nope")
		w.expect(`
			0s SIGTERM 101
			0s start db: ok
			0s stop nope: ok
		`)
	})
}

func TestStaleNewsIsDropped(t *testing.T) {
	inWorld(t, func(w *world) {
		w.up("kv").exit("exit status 1")
		w.at(backoff(1))
		svc, _ := w.sup.forStart("kv")
		before := w.info("kv")
		svc.send(exitedMsg{run: 1, why: "late"})
		svc.send(probedMsg{1, errors.New("late")})
		w.at(3 * time.Second)
		if after := w.info("kv"); after != before {
			t.Errorf("%+v became %+v", before, after)
		}
	})
}

// So is what a probe of the current run, under way when it was to end, says.
func TestNewsOfAnEndingRunIsDropped(t *testing.T) {
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
		w.up("kv").exit("exit status 1")
		w.set(func() { w.setup = func(p *proc) { p.ready, p.dies = time.Hour, 10*time.Millisecond } })
		w.at(backoff(1) + 500*time.Millisecond)
		w.set(func() { w.watched = true })
		w.forget()
		w.at(backoff(1) + backoff(2) - 1)
		w.expect("")
	})
}
