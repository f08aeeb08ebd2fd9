package supervisor

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"zr/internal/packages"
)

// A service is an actor: the goroutine in loop owns every field below gone, and all others send it
// messages. It lives from the first start until there is neither a process nor an entry to keep.
type service struct {
	sup   *Supervisor
	name  string
	info  atomic.Pointer[Info] // what status shows; nil: nothing yet
	inbox chan message         // unbuffered: a message is taken, or the service is gone
	gone  chan struct{}        // closed at the end

	state   state
	wanted  bool // up; false with a process left: it is being ended
	givenUp bool // keep an entry once it is down: it failed
	last    bool // the daemon is ending: take no start
	hurry   bool // end it without grace

	timer *time.Timer
	until time.Time // when timer fires

	run       int // number of the current run; a message about another is stale
	proc      Process
	pkg       packages.Service
	read      bool               // the definition, since it was started
	executed  bool               // the program of this run
	cancel    context.CancelFunc // of the probes under way
	startedAt time.Time
	upSince   time.Time
	retryAt   time.Time     // when the back-off ends
	left      time.Duration // of the start timeout
	misses    int           // failed checks in a row that were tolerated
	lastProbe error         // result of the last probe of a start

	eager    bool // started with the daemon: the first start is retried as a restart is
	first    bool // not healthy yet since it was started
	failures int  // in a row
	restarts int  // since it was started
	lastErr  string
	lastAt   time.Time

	starts   []chan<- startReply
	stops    []chan<- error
	attempts []chan<- struct{} // wait for the end of an eager service's first attempt
	verdict  error             // of a failed first start, told when its process is gone
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

// Processes counts the processes of the service; 0 where no cgroup tells.
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

// A message is something that happened to a service, or is asked of it. The channels in it have
// room for their one answer, so that an actor never waits.
type message interface{ deliver(*service) }

type (
	startMsg struct{ reply chan<- startReply }
	eagerMsg struct{ tried chan<- struct{} }
	stopMsg  struct {
		reply chan<- error
		last  bool // no start may follow
		now   bool // without grace
	}
	loadedMsg struct {
		run int
		pkg packages.Service // with a port, also beside an error, if the definition could be read
		err error
	}
	spawnedMsg struct {
		run  int
		proc Process
		err  error
	}
	executedMsg struct{ run int }
	exitedMsg   struct {
		run   int
		why   string
		never error // why the program was never executed
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
	for s.state != gone {
		select {
		case m := <-s.inbox:
			m.deliver(s)
		case <-s.timer.C:
			s.deadline(time.Since(s.until) > latest)
		}
	}
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
			s.begin(false)
		}
	}
}

func (m eagerMsg) deliver(s *service) {
	if s.state != idle || s.last { // a client was faster
		close(m.tried)
		return
	}
	s.attempts = append(s.attempts, m.tried)
	s.begin(true)
}

func (m stopMsg) deliver(s *service) {
	s.last = s.last || m.last
	s.hurry = s.hurry || m.now
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
	case ending: // in a back-off, which may give it longer
		if s.hurry {
			s.kill()
		} else if time.Until(s.until) > s.pkg.StopTimeout {
			s.arm(s.pkg.StopTimeout)
		}
	}
}

func (s *service) answerStarts(r startReply) {
	for _, reply := range s.starts {
		reply <- r
	}
	s.starts = nil
}

// endAttempt tells those that wait for the first attempt of an eager service.
func (s *service) endAttempt() {
	for _, tried := range s.attempts {
		close(tried)
	}
	s.attempts = nil
}

// errTimeout begins the reply to a start that did not get healthy.
var errTimeout = errors.New("health check timeout")

// stuckError is the error about a process that SIGKILL did not end.
func (s *service) stuckError() error {
	return fmt.Errorf("service '%s': process %d is still there %s after SIGKILL, stuck in the kernel or not the daemon's to kill",
		s.name, s.proc.Pid(), killTimeout)
}

// publish lets status see the service as it is now. It is not called once a service is being
// stopped, which therefore keeps its last word.
func (s *service) publish() {
	info := &Info{
		Name: s.name, Status: table[s.state].word, Version: s.pkg.Version, Port: s.pkg.Port,
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
