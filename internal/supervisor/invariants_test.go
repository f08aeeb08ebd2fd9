package supervisor

import (
	"slices"
	"testing/synctest"
	"time"
)

// A view is what an actor tells of itself when it is at rest; its state is "gone" when there
// is none.
type view struct {
	state         string
	wanted, armed bool
	until         time.Time
	starts, stops int // that wait
	ports         int
}

// viewMsg has the actor look at itself: nobody else may.
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

// settle lets everybody come to rest, and looks at where that is.
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
		p.was = "idle" // where the next actor starts
	}
}

func (p *puppet) check(svc view) {
	now, row := svc.state, rowOf(svc.state)
	p.must((p.alive.Load() == 1) == row.process && p.alive.Load() < 2, "%d processes in state %s", p.alive.Load(), now)
	p.must((p.spawning.Load() == 1) == (now == "spawning"), "%d spawns in state %s", p.spawning.Load(), now)
	p.must(p.loading.Load() > 0 || now != "loading", "no load in state %s", now)
	holds := now != "failed" && now != "gone"
	p.must((svc.ports == 1) == holds || now == "loading" || now == "backingOff", "in state %s it has %d ports", now, svc.ports)
	p.must(!p.stopped || !svc.wanted && p.spawns.Load() == p.atStop, "it is wanted, or was started, after a stop")
	checking := now == "running" && !svc.armed // one of the two is under way
	p.must(checking || svc.armed == row.deadline, "in state %s, armed: %t", now, svc.armed)
	p.must(now == "starting" || (p.probing.Load() == 1) == checking, "%d probes in state %s", p.probing.Load(), now)
	p.checkWaiters(svc)
	p.checkStatus(now, row)
}

func (p *puppet) checkWaiters(svc view) {
	now, starts, stops := svc.state, answered(p.starts), answered(p.stops)
	p.must(svc.starts == 0 || !slices.Contains([]string{"running", "failed", "stuck"}, now), "%d starts wait in state %s", svc.starts, now)
	p.must(svc.stops == 0 || slices.Contains([]string{"spawning", "ending", "killed"}, now), "%d stops wait in state %s", svc.stops, now)
	p.must(starts == len(p.starts)-svc.starts, "%d of %d starts are answered, %d wait", starts, len(p.starts), svc.starts)
	p.must(stops == len(p.stops)-svc.stops, "%d of %d stops are answered, %d wait", stops, len(p.stops), svc.stops)
}

func (p *puppet) checkStatus(now string, row row) {
	list := p.Status()
	leaving := now == "ending" || now == "killed" // status shows what it showed before
	if len(list) == 0 {
		p.must(leaving || slices.Contains([]string{"gone", "loading", "spawning"}, now), "nothing listed in state %s", now)
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

// answered counts answers; a request that got two counts as none.
func answered[T any](waiters []chan T) int {
	n := 0
	for _, reply := range waiters {
		if len(reply) == 1 {
			n++
		}
	}
	return n
}

// finish stops the service, lets its process be mortal and time pass: then nothing is left
// of it, for good.
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
