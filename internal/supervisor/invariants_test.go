package supervisor

import (
	"slices"
	"testing/synctest"
	"time"
)

// A view shows an actor at rest. Its state is "gone" if there is no actor.
type view struct {
	state         string
	wanted, armed bool
	until         time.Time
	starts, stops int // waiting for a reply
	ports         int
}

// viewMsg makes the actor describe itself, as only its own goroutine may read its fields.
type viewMsg chan<- view

func (m viewMsg) deliver(s *service) {
	v := view{state: s.state.String(), wanted: s.wanted, starts: len(s.starts), stops: len(s.stops), until: s.until}
	if v.armed = s.timer.Stop(); v.armed {
		s.timer.Reset(time.Until(s.until))
	}
	m <- v
}

func (d *driver) look() view {
	d.mu.Lock()
	svc, ports := d.services["kv"], len(d.ports)
	d.mu.Unlock()
	reply := make(chan view, 1)
	if svc == nil || !svc.send(viewMsg(reply)) {
		return view{state: "gone", ports: ports}
	}
	v := <-reply
	v.ports = ports
	if v.state == "running" && !v.armed && d.probing.Load() == 0 { // rounds watch it
		v.armed, v.until = true, d.rounds.next(momentOf("kv"), time.Now())
	}
	return v
}

// settle waits until nothing moves, and checks the state.
func (d *driver) settle() {
	synctest.Wait()
	svc := d.look()
	if svc.state != "running" && svc.state != "starting" { // a round drops its check
		time.Sleep(patience)
		synctest.Wait()
		svc = d.look()
	}
	now := svc.state
	if now != d.was {
		d.seen[transition{d.was, now}] = true
	}
	d.check(svc)
	if d.was = now; now == "gone" {
		d.was = "idle" // the next actor's first state
	}
}

func (d *driver) check(svc view) {
	now, row, alive := svc.state, rowOf(svc.state), d.alive.Load()
	d.must((alive == 1) == row.process && alive < 2, "%d processes in state %s", alive, now)
	spawns := d.spawning.Load()
	d.must((spawns == 1) == (now == "spawning"), "%d spawns in state %s", spawns, now)
	d.must(d.loading.Load() > 0 || now != "loading", "no load in state %s", now)
	holds := now != "failed" && now != "gone"
	either := now == "loading" || now == "backingOff"
	d.must((svc.ports == 1) == holds || either, "%d ports in state %s", svc.ports, now)
	d.must(!d.stopped || !svc.wanted, "it is wanted after a stop")
	d.must(!d.stopped || d.spawns.Load() == d.atStop, "it was started after a stop")
	checking := now == "running" && !svc.armed // a check is under way, or a deadline is set
	d.must(checking || svc.armed == row.deadline, "in state %s, armed: %t", now, svc.armed)
	probes := d.probing.Load()
	d.must(now == "starting" || (probes == 1) == checking, "%d probes in state %s", probes, now)
	d.checkWaiters(svc)
	d.checkStatus(now, row)
}

func (d *driver) checkWaiters(svc view) {
	now, starts, stops := svc.state, answered(d.starts), answered(d.stops)
	final := slices.Contains([]string{"running", "failed", "stuck"}, now)
	d.must(svc.starts == 0 || !final, "%d starts wait in state %s", svc.starts, now)
	passing := slices.Contains([]string{"spawning", "ending", "killed"}, now)
	d.must(svc.stops == 0 || passing, "%d stops wait in state %s", svc.stops, now)
	d.must(starts+svc.starts == len(d.starts), "of %d starts, %d are answered and %d wait", len(d.starts), starts, svc.starts)
	d.must(stops+svc.stops == len(d.stops), "of %d stops, %d are answered and %d wait", len(d.stops), stops, svc.stops)
}

func (d *driver) checkStatus(now string, row row) {
	list := d.Status()
	leaving := now == "ending" || now == "killed" // status shows the state before
	if len(list) == 0 {
		unlisted := slices.Contains([]string{"gone", "loading", "spawning"}, now)
		d.must(leaving || unlisted, "nothing listed in state %s", now)
		return
	}
	d.must(leaving || list[0].Status == row.status, "listed as %s in state %s", list[0].Status, now)
	d.must(list[0].PID == 0 || row.process, "process %d listed in state %s", list[0].PID, now)
}

func rowOf(name string) row {
	for _, r := range table {
		if r.name == name {
			return r
		}
	}
	panic(name)
}

// answered counts the requests that got exactly one answer.
func answered[T any](waiters []chan T) int {
	n := 0
	for _, reply := range waiters {
		if len(reply) == 1 {
			n++
		}
	}
	return n
}

// finish stops the service and lets its process end. The service must be gone then, and stay gone.
func (d *driver) finish() {
	d.mortal.Store(true)
	d.trail = append(d.trail, stop)
	d.happen(stop)
	for d.loading.Load() > 0 {
		d.load <- nil
		d.settle()
	}
	if d.spawning.Load() == 1 {
		d.spawn <- nil
		d.settle()
	}
	if state := d.look().state; state == "killed" || state == "stuck" {
		d.happen(exit)
	}
	time.Sleep(grace)
	d.settle()
	d.must(d.look().state == "gone", "it is not gone %v after the last stop", grace)
	time.Sleep(time.Minute)
	d.settle()
	d.must(d.look().state == "gone", "it came back after the last stop")
}

func (d *driver) must(ok bool, format string, args ...any) {
	if !ok {
		d.t.Helper()
		d.t.Fatalf("after %v: "+format, append([]any{d.trail}, args...)...)
	}
}
