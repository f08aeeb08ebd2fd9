package supervisor

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"zr/internal/packages"
)

// A service is an actor: the goroutine in loop owns every field below gone, and
// all others send it messages. It lives from the first start until there is
// neither a process nor an entry to keep.
type service struct {
	sup   *Supervisor
	name  string
	info  atomic.Pointer[Info] // what status shows; nil: nothing yet
	inbox chan message         // unbuffered: a message is taken, or the service is gone
	gone  chan struct{}

	state   state
	wanted  bool // up; false with a process left means that it is being ended
	givenUp bool // keep an entry once it is down: it failed
	last    bool // the daemon is ending: take no start
	hurry   bool // end it without grace
	over    bool // the actor returns

	timer *time.Timer
	until time.Time // when timer fires

	run       int // number of the current run; what tells of another is stale
	proc      Process
	pkg       packages.Service
	cancel    context.CancelFunc // of the probes under way
	startedAt time.Time
	upSince   time.Time
	lastProbe error // what the last probe of a start met

	first    bool // not healthy yet since a client started it
	failures int  // in a row
	restarts int  // since a client started it
	lastErr  string
	lastAt   time.Time

	starts  []chan<- startReply
	stops   []chan<- error
	verdict error // of a failed first start, told when its process is gone
}

// Info is what status shows of a service. PID is 0 without a process, RetryAt
// zero without a back-off, LastError empty while no run has ended badly.
type Info struct {
	Name, Status, Version string
	Port, PID             int
	Restarts, Failures    int
	StartedAt, RetryAt    time.Time
	LastError             string
	LastErrorAt           time.Time
}

type startReply struct {
	port int
	err  error
}

// A message is something that happened to a service, or is asked of it. The
// channels in it have room for their one answer, so that an actor never waits.
type message interface{ deliver(*service) }

type (
	startMsg struct{ reply chan<- startReply }
	stopMsg  struct {
		reply chan<- error
		last  bool // no start may follow
		now   bool // without grace
	}
	loadedMsg struct {
		run int
		pkg packages.Service
		err error
	}
	spawnedMsg struct {
		run  int
		pkg  packages.Service
		proc Process
		err  error
	}
	exitedMsg struct {
		run int
		why string
	}
	probedMsg struct {
		run int
		err error
	}
)

func newService(sup *Supervisor, name string) *service {
	s := &service{
		sup: sup, name: name,
		inbox:  make(chan message),
		gone:   make(chan struct{}),
		timer:  time.NewTimer(time.Hour),
		cancel: func() {},
	}
	s.timer.Stop()
	return s
}

func (s *service) loop() {
	defer close(s.gone)
	for !s.over {
		select {
		case m := <-s.inbox:
			aside(func() { m.deliver(s) })
		case <-s.timer.C:
			aside(s.deadline)
		}
	}
}

// aside runs a step to its end in a goroutine of its own. The stack that it needs, of 4 kB or more, would
// stay with the actor, which needs it for microseconds and can do with 2.
func aside(step func()) {
	done := make(chan struct{})
	go func() {
		step()
		close(done)
	}()
	<-done
}

// send returns false if the service is gone and did not take the message.
func (s *service) send(m message) bool {
	select {
	case s.inbox <- m:
		return true
	case <-s.gone:
		return false
	}
}

// arm sets the one deadline.
func (s *service) arm(d time.Duration) {
	s.until = time.Now().Add(d)
	s.timer.Reset(d)
}

func (m startMsg) deliver(s *service) {
	switch {
	case s.last:
		m.reply <- startReply{err: ErrShutdown}
	case s.state == running:
		m.reply <- startReply{port: s.pkg.Port}
	case s.state == stuck:
		m.reply <- startReply{err: s.stuckError()}
	default:
		s.starts = append(s.starts, m.reply)
		if s.state == idle || s.state == failed {
			s.begin()
		}
	}
}

func (m stopMsg) deliver(s *service) {
	s.last = s.last || m.last
	s.hurry = s.hurry || m.now
	if len(s.stops) == 0 && s.state != idle {
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
	case ending: // in a back-off, which may give it longer
		if s.hurry {
			s.kill()
		} else if time.Until(s.until) > grace {
			s.arm(grace)
		}
	}
}

// begin is the first spawn after a client's start.
func (s *service) begin() {
	s.wanted, s.first = true, true
	s.givenUp, s.verdict = false, nil
	s.failures, s.restarts, s.lastErr = 0, 0, ""
	s.spawn()
}

// settle is where a service goes that is not wanted and of which nothing is left.
// The entry goes before the answers do.
func (s *service) settle() {
	s.timer.Stop()
	var refused []chan<- startReply
	verdict := s.verdict
	if verdict != nil {
		refused, s.starts = s.starts, nil
	}
	stops := s.stops
	s.stops = nil
	switch {
	case len(s.starts) > 0:
		s.begin()
	case s.givenUp:
		s.state = failed
		s.sup.release(s.name, 0)
		s.publish()
	default:
		s.sup.release(s.name, 0)
		s.sup.forget(s)
		s.over = true
	}
	for _, reply := range refused {
		reply <- startReply{err: verdict}
	}
	for _, reply := range stops {
		reply <- nil
	}
}

func (s *service) answerStarts(r startReply) {
	for _, reply := range s.starts {
		reply <- r
	}
	s.starts = nil
}

// stuckError tells of a process that SIGKILL did not end.
func (s *service) stuckError() error {
	return fmt.Errorf("service '%s': process %d is still there %s after SIGKILL, stuck in the kernel or not the daemon's to kill", s.name, s.proc.Pid(), killTimeout)
}

// publish lets status see the service as it is now.
func (s *service) publish() {
	info := &Info{
		Name: s.name, Status: s.word(), Version: s.pkg.Version, Port: s.pkg.Port,
		Restarts: s.restarts, Failures: s.failures,
		LastError: s.lastErr, LastErrorAt: s.lastAt,
	}
	if s.proc != nil {
		info.PID, info.StartedAt = s.proc.Pid(), s.startedAt
	}
	if s.wanted && (s.state == backingOff || s.state == ending) {
		info.RetryAt = s.until
	}
	s.info.Store(info)
}

// word is the state as the wire words it. One that is being stopped is not
// published: it keeps its last word until it is gone. One that is given up is
// "failed" when its process is gone, and not before.
func (s *service) word() string {
	switch s.state {
	case failed, stuck:
		return "failed"
	case running:
		return "running"
	}
	return "starting"
}

// errTimeout is the wire's word for a start that did not get healthy.
var errTimeout = errors.New("health check timeout")
