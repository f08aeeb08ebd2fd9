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

// A driver is a supervisor with one service, kv, to which nothing happens but events. A load, a
// spawn, a probe and a process each wait for the event that ends them. Processes ignore SIGTERM,
// and SIGKILL too until mortal is set.
type driver struct {
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

func newDriver(t *testing.T, seen map[transition]bool) *driver {
	d := &driver{
		t: t, was: "idle", seen: seen,
		load: make(chan error), spawn: make(chan error), answer: make(chan error), exits: make(chan string, 1),
	}
	d.Supervisor = New(d, log.New(io.Discard, "", 0), DefaultInterval)
	return d
}

func (d *driver) Load(name string) (packages.Service, error) {
	d.loading.Add(1)
	defer d.loading.Add(-1)
	if err := <-d.load; err != nil {
		return packages.Service{}, err
	}
	return packages.Service{
		Name: name, Port: 9200, StartTimeout: startTimeout, StopTimeout: grace, HealthTimeout: healthTimeout,
	}, nil
}

func (d *driver) Start(packages.Service) (Process, error) {
	d.spawns.Add(1)
	d.spawning.Add(1)
	defer d.spawning.Add(-1)
	if err := <-d.spawn; err != nil {
		return nil, err
	}
	d.alive.Add(1)
	return d, nil
}

// Ask begins a probe that an event answers, or the time.
func (d *driver) Ask() Question {
	d.probing.Add(1)
	return slow{d, time.NewTimer(healthTimeout)}
}

type slow struct {
	d     *driver
	limit *time.Timer
}

func (slow) Poll() (bool, error) { return false, nil }

func (s slow) Wait(ctx context.Context) error {
	defer s.d.probing.Add(-1)
	defer s.limit.Stop()
	select {
	case err := <-s.d.answer:
		return err
	case <-s.limit.C:
		return errors.New("no answer")
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (d *driver) Lead() time.Duration { return 0 }
func (d *driver) Holder(int) string   { return "" }
func (d *driver) Pid() int            { return 101 }
func (d *driver) Terminate()          {}
func (d *driver) Count() int          { return 1 }
func (d *driver) Exited() bool        { return false }
func (d *driver) Executed() error     { return nil }
func (d *driver) Wait() string        { return <-d.exits }

func (d *driver) Kill() {
	if d.mortal.Load() {
		d.exit()
	}
}

func (d *driver) exit() {
	if d.alive.Load() == 1 {
		d.alive.Store(0)
		d.exits <- "gone"
	}
}

// do makes an event happen and returns true. If it cannot happen now, do changes nothing and
// returns false. An event that needs a process first ends a load and a spawn under way.
func (d *driver) do(e event) bool {
	d.trail = append(d.trail, e)
	if e >= exit && e != spawnFails && e != loaded && d.succeed() {
		if e != deadlinePasses {
			d.happen(e)
		}
		return true
	}
	return d.happen(e)
}

// succeed makes the load and the spawn under way succeed. It returns false if there is neither.
func (d *driver) succeed() bool {
	state := d.look().state
	if state == "loading" {
		d.endLoad(nil)
		d.settle()
	} else if state != "spawning" {
		return false
	}
	d.spawn <- nil
	d.settle()
	return true
}

// endLoad ends the load for which the service waits, and before it the loads that a stop has made
// stale. It returns false if the service waits for none.
func (d *driver) endLoad(err error) bool {
	if d.look().state != "loading" {
		return false
	}
	for range d.loading.Load() - 1 {
		d.load <- nil
		synctest.Wait()
	}
	d.load <- err
	return true
}

func (d *driver) happen(e event) bool {
	possible := true
	switch e {
	case start:
		d.askStart()
	case stop:
		d.askStop()
	case exit:
		if possible = d.alive.Load() == 1; possible {
			d.exit()
		}
	case probeOK:
		possible = d.endProbe(nil)
	case probeFails:
		possible = d.endProbe(errors.New("ill"))
	case spawnFails:
		possible = d.endLoad(errors.New("cannot load"))
		if !possible && d.spawning.Load() == 1 {
			d.spawn <- errors.New("cannot spawn")
			possible = true
		}
	case loaded:
		possible = d.endLoad(nil)
	case deadlinePasses:
		possible = d.passDeadline()
	}
	if possible {
		d.settle()
	}
	return possible
}

func (d *driver) askStart() {
	reply := make(chan startReply, 2) // room for a second reply, which would be an error
	d.starts = append(d.starts, reply)
	d.stopped = false
	svc, _ := d.forStart("kv")
	svc.send(startMsg{reply})
}

// askStop makes an actor if there is none. A stop can reach an actor before the start that made it.
func (d *driver) askStop() {
	reply := make(chan error, 2)
	d.stops = append(d.stops, reply)
	d.stopped, d.atStop = true, d.spawns.Load()
	svc, _ := d.forStart("kv")
	svc.send(stopMsg{reply: reply})
}

// endProbe ends the probe under way, or the next. It returns false if there is none to come.
func (d *driver) endProbe(err error) bool {
	svc := d.look()
	if svc.state != "starting" && svc.state != "running" {
		return false
	}
	if d.probing.Load() == 0 && svc.state == "starting" {
		time.Sleep(pollGap(time.Hour, true))
	} else if d.probing.Load() == 0 {
		time.Sleep(time.Until(svc.until))
	}
	synctest.Wait()
	d.answer <- err
	return true
}

// passDeadline lets time pass until the actor's deadline or, if it has none, the deadline of the
// probe under way.
func (d *driver) passDeadline() bool {
	svc := d.look()
	switch {
	case svc.armed: // a start timeout and a grace have many steps
		for svc.armed && d.look().state == svc.state {
			time.Sleep(time.Until(d.look().until))
			synctest.Wait()
			if svc.state != "starting" && svc.state != "ending" {
				break
			}
		}
	case d.probing.Load() == 1:
		time.Sleep(healthTimeout)
	default:
		return false
	}
	return true
}
