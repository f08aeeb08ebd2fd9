package supervisor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"zr/internal/health"
)

// spawn begins the next run: it reads the receipt and the definition afresh. A goroutine does that,
// so that a stop does not wait for a slow disk.
func (s *service) spawn() {
	s.timer.Stop()
	s.state = loading
	if s.info.Load() != nil { // not listed yet: the package may not exist
		s.publish()
	}
	s.run++
	run := s.run
	go func() {
		pkg, err := s.sup.sys.Load(s.name)
		s.send(loadedMsg{run, pkg, err})
	}()
}

// deliver makes the process, or ends the run if the package cannot be used. It releases the old
// port unless the definition still has it: two services may be exchanging their ports.
func (m loadedMsg) deliver(s *service) {
	if m.run != s.run || s.state != loading {
		return
	}
	s.sup.release(s.name, m.pkg.Port)
	if m.pkg.Port != 0 {
		s.pkg, s.read = m.pkg, true
	}
	switch {
	case m.err != nil:
		s.spawnFailed(m.err)
		return
	case s.eager && s.first && !m.pkg.Eager && len(s.starts) == 0: // only now could it be read
		s.wanted = false
		s.settle()
		return
	}
	for _, warning := range m.pkg.Warnings {
		s.sup.log.Print(warning)
	}
	s.state = spawning
	go func() {
		proc, err := s.sup.spawn(m.pkg)
		s.send(spawnedMsg{proc, err})
	}()
}

func (m spawnedMsg) deliver(s *service) {
	if m.err != nil {
		s.spawnFailed(m.err)
		return
	}
	s.proc = m.proc
	s.startedAt = time.Now()
	s.lastProbe, s.exited = errNotExecuted, false
	s.ctx, s.endProbes = context.WithCancel(context.Background())
	go s.awaitExit(s.run, s.proc, s.pkg.Port)
	if !s.wanted {
		s.terminate()
		return
	}
	s.state = starting
	s.count(s.pkg.StartTimeout)
	s.publish()
	go s.poll(s.ctx, s.run, s.proc)
}

func (m executedMsg) deliver(s *service) {
	if m.run != s.run || s.state != starting {
		return
	}
	s.lastProbe = nil
	if s.first {
		s.sup.log.Printf("started service '%s' on port %d", s.name, s.pkg.Port)
	} else {
		s.restarts++
		s.publish()
	}
}

// awaitExit reports the end of a run. If a process still listens on the port, it is another's, and
// likely the reason why the run ended.
func (s *service) awaitExit(run int, proc Process, port int) {
	never := proc.Executed()
	why := proc.Wait()
	if holder := s.sup.sys.Holder(port); holder != "" {
		why += ": " + (&ForeignError{port, holder}).Error()
	}
	s.send(exitedMsg{run, why, never})
}

// poll probes a new process until it is healthy or ctx ends.
func (s *service) poll(ctx context.Context, run int, proc Process) {
	if proc.Executed() != nil || !s.send(executedMsg{run}) {
		return
	}
	for began := time.Now(); ; {
		err := proc.Ask().Wait(ctx)
		if !s.send(probedMsg{run, err}) || err == nil {
			return
		}
		reached := !errors.Is(err, health.ErrRefused) && !errors.Is(err, health.ErrNoVerdict)
		select {
		case <-ctx.Done():
			return
		case <-time.After(pollGap(time.Since(began), reached)):
		}
	}
}

func (m probedMsg) deliver(s *service) {
	if m.run != s.run {
		return
	}
	var foreign *ForeignError
	switch {
	case m.err != nil && s.proc != nil && s.proc.Exited(): // that is why; exitedMsg reports it soon
		if s.state == running {
			s.exited = true
			s.arm(killTimeout)
		}
	case s.state == running:
		s.checked(m.err)
	case s.state != starting:
	case m.err == nil:
		s.healthy()
	case errors.As(m.err, &foreign):
		s.startFailed(m.err, m.err.Error())
	default:
		s.lastProbe = m.err
	}
}

func (s *service) healthy() {
	s.state = running
	s.upSince = time.Now()
	if !s.first {
		s.sup.log.Printf("service '%s' restarted successfully", s.name)
	}
	s.first, s.misses = false, 0
	s.publish()
	s.answerStarts(startReply{port: s.pkg.Port})
	s.endAttempt()
	s.watch()
}

// check returns a check of this run.
func (s *service) check() check {
	run := s.run
	return check{s.ctx, s.name, s.proc, func(err error) { s.send(probedMsg{run, err}) }}
}

func (s *service) checked(err error) {
	switch {
	case errors.Is(err, health.ErrNoVerdict):
		s.arm(retryCheck)
		return
	case err != nil && s.misses < s.pkg.HealthRetries:
		s.misses++
		s.sup.log.Printf("service '%s' failed a check (%d of %d tolerated): %v", s.name, s.misses, s.pkg.HealthRetries, err)
		s.arm(retryCheck)
		return
	case err != nil:
		s.fail(err.Error())
		return
	case s.failures > 0 && time.Since(s.upSince) >= stable:
		s.failures = 0
		s.publish()
	}
	s.misses = 0
	s.watch()
}

// deadline runs when the timer fires. late reports whether the daemon or the machine was paused.
func (s *service) deadline(late bool) {
	switch s.state {
	case starting:
		if s.countStep(late) {
			s.startTimedOut()
		}
	case running:
		switch {
		case late: // the service may have been paused too
			s.watch()
		case s.exited:
			s.fail("it exited, but a process that it started is still there")
		default:
			c := s.check()
			go func() { c.report(c.proc.Ask().Wait(c.ctx)) }()
		}
	case ending:
		if s.countStep(late) {
			s.kill()
		}
	case killed:
		if late { // the news of its end may be on the way
			s.arm(killTimeout)
		} else {
			s.giveUpKilling()
		}
	case backingOff:
		s.spawn()
	}
}

func (s *service) startTimedOut() {
	err := errTimeout
	if s.lastProbe != nil {
		err = fmt.Errorf("%w: %w", errTimeout, s.lastProbe)
	}
	s.startFailed(err, err.Error())
}

// spawnFailed ends a run whose program was never executed.
func (s *service) spawnFailed(err error) {
	switch {
	case !s.wanted:
		s.settle()
	case s.first:
		s.startFailed(err, err.Error())
	default:
		s.sup.log.Printf("failed to restart '%s': %v", s.name, err)
		s.fail(err.Error())
	}
}

// startFailed ends a run that did not become healthy. If it is the first run after a start, an
// eager service is restarted. A service that a client started is given up: the client gets err once
// its process is gone, and status lists the service if its definition could be read.
func (s *service) startFailed(err error, why string) {
	if !s.first {
		s.sup.log.Printf("service '%s' failed health check after restart", s.name)
		s.fail(why)
		return
	}
	if s.read || s.eager {
		s.sup.log.Printf("failed to start '%s': %s", s.name, why)
	}
	if s.eager {
		if !s.read { // a client need not wait for the back-off
			s.answerStarts(startReply{err: err})
		}
		s.fail(why)
		return
	}
	s.wanted, s.verdict, s.givenUp = false, err, s.read
	s.lastErr, s.lastAt = why, time.Now()
	s.terminate()
}

func (m exitedMsg) deliver(s *service) {
	if m.run != s.run || s.proc == nil {
		return
	}
	s.proc = nil
	switch {
	case s.state == starting && m.notExecuted != nil:
		s.spawnFailed(fmt.Errorf("failed to spawn service: %w", m.notExecuted))
	case s.state == starting && s.first:
		why := "exited before it was healthy: " + m.why
		s.startFailed(fmt.Errorf("service '%s' %s", s.name, why), why)
	case s.state == starting:
		s.startFailed(nil, m.why)
	case s.state == running:
		s.fail(m.why)
	case !s.wanted:
		s.settle()
	case time.Now().Before(s.retryAt):
		s.state = backingOff
		s.arm(time.Until(s.retryAt))
		s.publish()
	default: // the grace was longer than the back-off
		s.spawn()
	}
}

// fail counts a failure, and restarts the service or gives it up.
func (s *service) fail(why string) {
	s.endProbes()
	s.failures++
	s.lastErr, s.lastAt = why, time.Now()
	s.sup.log.Printf("service '%s' unhealthy (failure %d/%d): %s", s.name, s.failures, maxFailures, why)
	s.endAttempt()
	if s.failures >= maxFailures {
		s.giveUp(why)
		return
	}
	wait := backoff(s.failures)
	s.sup.log.Printf("restarting '%s' in %v", s.name, wait)
	wait -= s.sup.sys.Lead()
	s.retryAt = time.Now().Add(wait)
	if s.proc == nil {
		s.state = backingOff
		s.arm(wait)
	} else {
		s.proc.Terminate()
		s.state = ending
		if s.pkg.StopTimeoutSet {
			wait = max(wait, s.pkg.StopTimeout)
		}
		s.count(wait)
	}
	s.publish()
}

func (s *service) giveUp(why string) {
	s.sup.log.Printf("service '%s' marked as failed after %d consecutive failures", s.name, maxFailures)
	s.wanted, s.givenUp = false, true
	s.answerStarts(startReply{err: fmt.Errorf("service '%s' marked as failed after %d consecutive failures: %s", s.name, maxFailures, why)})
	s.terminate()
	s.publish()
}

// terminate ends the process, if there is one. It gives the process its grace unless noGrace is
// set.
func (s *service) terminate() {
	s.endProbes()
	switch {
	case s.proc == nil:
		s.settle()
	case s.noGrace:
		s.kill()
	default:
		s.proc.Terminate()
		s.state = ending
		s.count(s.pkg.StopTimeout)
	}
}

func (s *service) kill() {
	s.proc.Kill()
	s.state = killed
	s.arm(killTimeout)
}

// giveUpKilling answers every waiting client that a process survived SIGKILL. The service is listed
// as failed, and the actor does not signal its process again. If the process ends later, a service
// that was stopped leaves the list.
func (s *service) giveUpKilling() {
	err := s.stuckError()
	s.sup.log.Printf("%v", err)
	s.state = stuck
	s.givenUp = len(s.stops) == 0
	s.lastErr, s.lastAt = err.Error(), time.Now()
	s.wanted = false
	s.answerStarts(startReply{err: err})
	for _, reply := range s.stops {
		reply <- err
	}
	s.stops = nil
	s.publish()
}

// settle runs when an unwanted service has no process left. It changes the list before it answers
// clients.
func (s *service) settle() {
	s.timer.Stop()
	var refused []chan<- startReply
	verdict := s.verdict
	if verdict != nil {
		refused, s.starts = s.starts, nil
	}
	stops := s.stops
	s.stops = nil
	s.endAttempt()
	switch {
	case len(s.starts) > 0:
		s.begin(false)
	case s.givenUp:
		s.state = failed
		s.sup.release(s.name, 0)
		s.publish()
	default:
		s.state = gone
		s.sup.release(s.name, 0)
		s.sup.forget(s)
	}
	for _, reply := range refused {
		reply <- startReply{err: verdict}
	}
	for _, reply := range stops {
		reply <- nil
	}
}
