package supervisor

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"zr/internal/packages"
)

// A service is an actor. The goroutine in loop owns every field after gone, and other goroutines
// send it messages. The actor ends when the service has no process and status need not list it any
// more.
type service struct {
	sup   *Supervisor
	name  string
	info  atomic.Pointer[Info] // what status shows; nil: nothing yet
	inbox chan message         // unbuffered: no message is lost when the service goes
	gone  chan struct{}        // closed at the end

	state   state
	wanted  bool // a client wants it up
	givenUp bool // it failed: list it once its process is gone
	final   bool // the daemon is ending: refuse starts
	noGrace bool // a stop sends SIGKILL at once

	timer *time.Timer
	until time.Time // when timer fires

	run       int // number of the current run; a message about another is stale
	proc      Process
	pkg       packages.Service
	read      bool               // pkg was read since the service was started
	ctx       context.Context    // of the probes of this run
	endProbes context.CancelFunc // ends ctx
	startedAt time.Time
	upSince   time.Time
	retryAt   time.Time     // when the back-off ends
	left      time.Duration // the rest of the start timeout or of the grace
	misses    int           // tolerated failed checks in a row
	exited    bool          // a check found that the process has exited
	lastProbe error         // the result of the last probe of a start; first errNotExecuted

	eager    bool // started with the daemon: its first start is retried like a restart
	first    bool // not healthy yet since the service was started
	failures int  // in a row
	restarts int  // since the service was started
	lastErr  string
	lastAt   time.Time

	starts   []chan<- startReply
	stops    []chan<- error
	attempts []chan<- struct{} // closed when an eager service's first attempt ends
	verdict  error             // why a first start failed: its reply, once the process is gone
}

// Info is what status shows of a service. PID is 0 without a process, RetryAt zero without a
// back-off, LastError empty while no run has ended badly.
type Info struct {
	Name, Status, Version string
	Port, PID             int
	Restarts, Failures    int
	StartedAt, RetryAt    time.Time
	LastError             string
	LastErrorAt           time.Time
	proc                  Process
}

// Processes returns how many processes the service has, or 0 if it has no cgroup.
func (i Info) Processes() int {
	if i.proc == nil {
		return 0
	}
	return i.proc.Count()
}

type startReply struct {
	port int
	err  error
}

// A message is an event or a request. Its channels have room for their one answer, so that an actor
// never waits.
type message interface{ deliver(*service) }

type (
	startMsg struct{ reply chan<- startReply }
	eagerMsg struct{ tried chan<- struct{} }
	stopMsg  struct {
		reply   chan<- error
		final   bool // no start may follow
		noGrace bool
	}
	loadedMsg struct {
		run int
		pkg packages.Service // Port is not 0 if the definition could be read, even if err is set
		err error
	}
	spawnedMsg struct {
		proc Process
		err  error
	}
	executedMsg struct{ run int }
	exitedMsg   struct {
		run         int
		why         string
		notExecuted error // why, or nil
	}
	probedMsg struct {
		run int
		err error
	}
)

func newService(sup *Supervisor, name string) *service {
	s := &service{
		sup: sup, name: name,
		inbox:     make(chan message),
		gone:      make(chan struct{}),
		timer:     time.NewTimer(time.Hour),
		endProbes: func() {},
	}
	s.timer.Stop()
	return s
}

func (s *service) loop() {
	defer close(s.gone)
	for s.state != gone {
		select {
		case m := <-s.inbox:
			m.deliver(s)
		case <-s.timer.C:
			s.deadline(time.Since(s.until) > tolerance)
		}
	}
}

// send reports whether the service took the message. It returns false if the service is gone.
func (s *service) send(m message) bool {
	select {
	case s.inbox <- m:
		return true
	case <-s.gone:
		return false
	}
}

// arm sets the one deadline of the service.
func (s *service) arm(d time.Duration) {
	s.until = time.Now().Add(d)
	s.timer.Reset(d)
}

// count sets the deadline to the first of the steps in which d is counted. See countStep.
func (s *service) count(d time.Duration) {
	s.left = d
	s.arm(min(d, step))
}

// countStep counts a step and reports whether none is left. If there is one, it becomes the
// deadline. Of a late step half is counted: a single pause never uses up the rest, and a daemon
// that is paused again and again still reaches the end.
func (s *service) countStep(late bool) (over bool) {
	if late {
		s.left -= min(s.left, step) / 2
	} else {
		s.left -= step + time.Since(s.until)
	}
	if s.left < time.Millisecond {
		return true
	}
	s.count(s.left)
	return false
}

// watch has the service checked. A service with failures is also checked at the moment when it has
// been up for stable, because a check that passes then clears them.
func (s *service) watch() {
	if s.failures == 0 {
		s.timer.Stop()
		s.sup.rounds.watch(s.check())
		return
	}
	now := time.Now()
	at := s.sup.rounds.next(momentOf(s.name), now)
	if confirm := s.upSince.Add(stable); confirm.After(now) && confirm.Before(at) {
		at = confirm
	}
	s.arm(at.Sub(now))
}

func (m startMsg) deliver(s *service) {
	switch {
	case s.final:
		m.reply <- startReply{err: ErrShutdown}
	case s.state == running:
		m.reply <- startReply{port: s.pkg.Port}
	case s.state == stuck:
		m.reply <- startReply{err: s.stuckError()}
	default:
		s.starts = append(s.starts, m.reply)
		switch {
		case s.state == idle, s.state == failed:
			s.begin(false)
		case s.state == backingOff && s.eager && !s.read: // it may have been repaired
			s.spawn()
		}
	}
}

func (m eagerMsg) deliver(s *service) {
	if s.state != idle || s.final { // a client started it first
		close(m.tried)
		return
	}
	s.attempts = append(s.attempts, m.tried)
	s.begin(true)
}

func (m stopMsg) deliver(s *service) {
	restarting := s.wanted
	s.final = s.final || m.final
	s.noGrace = s.noGrace || m.noGrace
	if len(s.stops) == 0 && s.state != idle && s.state != failed {
		s.sup.log.Printf("stopping service '%s'", s.name)
	}
	s.wanted, s.givenUp, s.verdict = false, false, nil
	s.answerStarts(startReply{err: fmt.Errorf("service '%s' was stopped", s.name)})
	if s.state == stuck {
		m.reply <- s.stuckError()
		return
	}
	s.stops = append(s.stops, m.reply)
	switch s.state {
	case idle, loading, backingOff, failed:
		s.settle()
	case starting, running:
		s.terminate()
	case ending:
		if s.noGrace {
			s.kill()
		} else if restarting { // the grace of a restart is the back-off
			s.count(s.pkg.StopTimeout)
		}
	}
}

// begin starts a service that was not wanted before.
func (s *service) begin(eager bool) {
	s.wanted, s.first, s.eager = true, true, eager
	s.givenUp, s.verdict, s.read = false, nil, false
	s.failures, s.restarts, s.lastErr = 0, 0, ""
	s.spawn()
}

func (s *service) answerStarts(r startReply) {
	for _, reply := range s.starts {
		reply <- r
	}
	s.starts = nil
}

// endAttempt answers the callers that wait for an eager service's first attempt.
func (s *service) endAttempt() {
	for _, tried := range s.attempts {
		close(tried)
	}
	s.attempts = nil
}

// errTimeout begins the reply to a start after which the service did not become healthy.
var errTimeout = errors.New("health check timeout")

// errNotExecuted ends that reply if the stage still waits for the program.
var errNotExecuted = errors.New("its program or its log could not be opened yet; the disk may not answer")

// stuckError is the error about a process that SIGKILL did not end.
func (s *service) stuckError() error {
	return fmt.Errorf("service '%s': process %d or its child is still there %s after SIGKILL, stuck in the kernel or not the daemon's to kill",
		s.name, s.proc.Pid(), killTimeout)
}

// publish shows the service in status as it is now. A service that is being stopped does not call
// it, so status shows its previous state.
func (s *service) publish() {
	info := &Info{
		Name: s.name, Status: table[s.state].status, Version: s.pkg.Version, Port: s.pkg.Port,
		Restarts: s.restarts, Failures: s.failures,
		LastError: s.lastErr, LastErrorAt: s.lastAt, proc: s.proc,
	}
	if s.proc != nil {
		info.PID, info.StartedAt = s.proc.Pid(), s.startedAt
	}
	if s.wanted && (s.state == backingOff || s.state == ending) {
		info.RetryAt = s.retryAt
	}
	s.info.Store(info)
}
