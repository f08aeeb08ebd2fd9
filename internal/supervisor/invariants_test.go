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

func (p *puppet) look() view {
	p.mu.Lock()
	svc, ports := p.services["kv"], len(p.ports)
	p.mu.Unlock()
	reply := make(chan view, 1)
	if svc == nil || !svc.send(viewMsg(reply)) {
		return view{state: "gone", ports: ports}
	}
	v := <-reply
	v.ports = ports
	if v.state == "running" && !v.armed && p.probing.Load() == 0 { // rounds watch it
		v.armed, v.until = true, p.rounds.next(momentOf("kv"), time.Now())
	}
	return v
}

// settle waits until nothing moves, and checks the state.
func (p *puppet) settle() {
	synctest.Wait()
	svc := p.look()
	if svc.state != "running" && svc.state != "starting" { // a round drops its check
		time.Sleep(patience)
		synctest.Wait()
		svc = p.look()
	}
	now := svc.state
	if now != p.was {
		p.seen[transition{p.was, now}] = true
	}
	p.check(svc)
	if p.was = now; now == "gone" {
		p.was = "idle" // the next actor's first state
	}
}

func (p *puppet) check(svc view) {
	now, row, alive := svc.state, rowOf(svc.state), p.alive.Load()
	p.must((alive == 1) == row.process && alive < 2, "%d processes in state %s", alive, now)
	spawns := p.spawning.Load()
	p.must((spawns == 1) == (now == "spawning"), "%d spawns in state %s", spawns, now)
	p.must(p.loading.Load() > 0 || now != "loading", "no load in state %s", now)
	holds := now != "failed" && now != "gone"
	either := now == "loading" || now == "backingOff"
	p.must((svc.ports == 1) == holds || either, "%d ports in state %s", svc.ports, now)
	p.must(!p.stopped || !svc.wanted, "it is wanted after a stop")
	p.must(!p.stopped || p.spawns.Load() == p.atStop, "it was started after a stop")
	checking := now == "running" && !svc.armed // a check is under way, or a deadline is set
	p.must(checking || svc.armed == row.deadline, "in state %s, armed: %t", now, svc.armed)
	probes := p.probing.Load()
	p.must(now == "starting" || (probes == 1) == checking, "%d probes in state %s", probes, now)
	p.checkWaiters(svc)
	p.checkStatus(now, row)
}

func (p *puppet) checkWaiters(svc view) {
	now, starts, stops := svc.state, answered(p.starts), answered(p.stops)
	final := slices.Contains([]string{"running", "failed", "stuck"}, now)
	p.must(svc.starts == 0 || !final, "%d starts wait in state %s", svc.starts, now)
	passing := slices.Contains([]string{"spawning", "ending", "killed"}, now)
	p.must(svc.stops == 0 || passing, "%d stops wait in state %s", svc.stops, now)
	p.must(starts+svc.starts == len(p.starts), "of %d starts, %d are answered and %d wait", len(p.starts), starts, svc.starts)
	p.must(stops+svc.stops == len(p.stops), "of %d stops, %d are answered and %d wait", len(p.stops), stops, svc.stops)
}

func (p *puppet) checkStatus(now string, row row) {
	list := p.Status()
	leaving := now == "ending" || now == "killed" // status shows the state before
	if len(list) == 0 {
		unlisted := slices.Contains([]string{"gone", "loading", "spawning"}, now)
		p.must(leaving || unlisted, "nothing listed in state %s", now)
		return
	}
	p.must(leaving || list[0].Status == row.status, "listed as %s in state %s", list[0].Status, now)
	p.must(list[0].PID == 0 || row.process, "process %d listed in state %s", list[0].PID, now)
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
func (p *puppet) finish() {
	p.mortal.Store(true)
	p.trail = append(p.trail, stop)
	p.happen(stop)
	for p.loading.Load() > 0 {
		p.load <- nil
		p.settle()
	}
	if p.spawning.Load() == 1 {
		p.spawn <- nil
		p.settle()
	}
	if state := p.look().state; state == "killed" || state == "stuck" {
		p.happen(exit)
	}
	time.Sleep(grace)
	p.settle()
	p.must(p.look().state == "gone", "it is not gone %v after the last stop", grace)
	time.Sleep(time.Minute)
	p.settle()
	p.must(p.look().state == "gone", "it came back after the last stop")
}

func (p *puppet) must(ok bool, format string, args ...any) {
	if !ok {
		p.t.Helper()
		p.t.Fatalf("after %v: "+format, append([]any{p.trail}, args...)...)
	}
}
