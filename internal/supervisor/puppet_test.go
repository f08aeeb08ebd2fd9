package supervisor

import (
	"context"
	"errors"
	"io"
	"log"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"zr/internal/packages"
)

// An event happens to a service from outside.
type event int

const (
	start event = iota
	stop
	exit
	probeOK
	probeFails
	spawnFails // or the load before it
	deadlinePasses
	loaded
)

var events = []event{start, stop, exit, probeOK, probeFails, spawnFails, deadlinePasses, loaded}

func (e event) String() string {
	return [...]string{"start", "stop", "exit", "probe ok", "probe fails", "spawn fails", "deadline", "loaded"}[e]
}

// A puppet is a supervisor with one service, kv, to which nothing happens but events. A load, a
// spawn, a probe and a process each wait for the event that ends them. Processes ignore SIGTERM, and
// SIGKILL too until mortal is set.
type puppet struct {
	*Supervisor
	t     *testing.T
	trail []event // so far

	load   chan error // ends the oldest load under way
	spawn  chan error // ends the spawn under way
	answer chan error // ends the probe under way
	exits  chan string
	mortal atomic.Bool

	loading, spawning, probing, alive atomic.Int32
	spawns                            atomic.Int32 // so far

	starts  []chan startReply
	stops   []chan error
	stopped bool  // the last request was a stop
	atStop  int32 // spawns until then

	was  string // the state after the last event
	seen map[transition]bool
}

func newPuppet(t *testing.T, seen map[transition]bool) *puppet {
	p := &puppet{
		t: t, was: "idle", seen: seen,
		load: make(chan error), spawn: make(chan error), answer: make(chan error), exits: make(chan string, 1),
	}
	p.Supervisor = New(p, log.New(io.Discard, "", 0), DefaultInterval)
	return p
}

func (p *puppet) Load(name string) (packages.Service, error) {
	p.loading.Add(1)
	defer p.loading.Add(-1)
	if err := <-p.load; err != nil {
		return packages.Service{}, err
	}
	return packages.Service{
		Name: name, Port: 9200, StartTimeout: startTimeout, StopTimeout: grace, HealthTimeout: healthTimeout,
	}, nil
}

func (p *puppet) Start(packages.Service) (Process, error) {
	p.spawns.Add(1)
	p.spawning.Add(1)
	defer p.spawning.Add(-1)
	if err := <-p.spawn; err != nil {
		return nil, err
	}
	p.alive.Add(1)
	return p, nil
}

// Ask begins a probe that an event answers, or the time.
func (p *puppet) Ask() Question {
	p.probing.Add(1)
	return slow{p, time.NewTimer(healthTimeout)}
}

type slow struct {
	p     *puppet
	limit *time.Timer
}

func (slow) Poll() (bool, error) { return false, nil }

func (s slow) Wait(ctx context.Context) error {
	defer s.p.probing.Add(-1)
	defer s.limit.Stop()
	select {
	case err := <-s.p.answer:
		return err
	case <-s.limit.C:
		return errors.New("no answer")
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *puppet) Lead() time.Duration { return 0 }
func (p *puppet) Holder(int) string   { return "" }
func (p *puppet) Pid() int            { return 101 }
func (p *puppet) Terminate()          {}
func (p *puppet) Count() int          { return 1 }
func (p *puppet) Exited() bool        { return false }
func (p *puppet) Executed() error     { return nil }
func (p *puppet) Wait() string        { return <-p.exits }

func (p *puppet) Kill() {
	if p.mortal.Load() {
		p.exit()
	}
}

func (p *puppet) exit() {
	if p.alive.Load() == 1 {
		p.alive.Store(0)
		p.exits <- "gone"
	}
}

// do makes an event happen and returns true. If it cannot happen now, do changes nothing and returns
// false. An event that needs a process first ends a load and a spawn under way.
func (p *puppet) do(e event) bool {
	p.trail = append(p.trail, e)
	if e >= exit && e != spawnFails && e != loaded && p.succeed() {
		if e != deadlinePasses {
			p.happen(e)
		}
		return true
	}
	return p.happen(e)
}

// succeed makes the load and the spawn under way succeed. It returns false if there is neither.
func (p *puppet) succeed() bool {
	state := p.look().state
	if state == "loading" {
		p.endLoad(nil)
		p.settle()
	} else if state != "spawning" {
		return false
	}
	p.spawn <- nil
	p.settle()
	return true
}

// endLoad ends the load for which the service waits, and before it the loads that a stop has made
// stale. It returns false if the service waits for none.
func (p *puppet) endLoad(err error) bool {
	if p.look().state != "loading" {
		return false
	}
	for range p.loading.Load() - 1 {
		p.load <- nil
		synctest.Wait()
	}
	p.load <- err
	return true
}

func (p *puppet) happen(e event) bool {
	possible := true
	switch e {
	case start:
		p.askStart()
	case stop:
		p.askStop()
	case exit:
		if possible = p.alive.Load() == 1; possible {
			p.exit()
		}
	case probeOK:
		possible = p.endProbe(nil)
	case probeFails:
		possible = p.endProbe(errors.New("ill"))
	case spawnFails:
		possible = p.endLoad(errors.New("cannot load"))
		if !possible && p.spawning.Load() == 1 {
			p.spawn <- errors.New("cannot spawn")
			possible = true
		}
	case loaded:
		possible = p.endLoad(nil)
	case deadlinePasses:
		possible = p.passDeadline()
	}
	if possible {
		p.settle()
	}
	return possible
}

func (p *puppet) askStart() {
	reply := make(chan startReply, 2) // room for a second reply, which would be an error
	p.starts = append(p.starts, reply)
	p.stopped = false
	svc, _ := p.forStart("kv")
	svc.send(startMsg{reply})
}

// askStop makes an actor if there is none. A stop can reach an actor before the start that made it.
func (p *puppet) askStop() {
	reply := make(chan error, 2)
	p.stops = append(p.stops, reply)
	p.stopped, p.atStop = true, p.spawns.Load()
	svc, _ := p.forStart("kv")
	svc.send(stopMsg{reply: reply})
}

// endProbe ends the probe under way, or the next. It returns false if there is none to come.
func (p *puppet) endProbe(err error) bool {
	svc := p.look()
	if svc.state != "starting" && svc.state != "running" {
		return false
	}
	if p.probing.Load() == 0 && svc.state == "starting" {
		time.Sleep(pollGap(time.Hour, true))
	} else if p.probing.Load() == 0 {
		time.Sleep(time.Until(svc.until))
	}
	synctest.Wait()
	p.answer <- err
	return true
}

// passDeadline lets time pass until the actor's deadline or, if it has none, the deadline of the
// probe under way.
func (p *puppet) passDeadline() bool {
	svc := p.look()
	switch {
	case svc.armed: // a start timeout has many steps
		for svc.armed && p.look().state == svc.state {
			time.Sleep(time.Until(p.look().until))
			synctest.Wait()
			if svc.state != "starting" {
				break
			}
		}
	case p.probing.Load() == 1:
		time.Sleep(healthTimeout)
	default:
		return false
	}
	return true
}
