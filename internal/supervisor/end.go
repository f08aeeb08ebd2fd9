package supervisor

import (
	"fmt"
	"time"
)

func (m exitedMsg) deliver(s *service) {
	if m.run != s.run || s.proc == nil {
		return
	}
	s.proc = nil
	switch {
	case s.state == starting:
		s.startFailed(fmt.Errorf("service '%s' exited before it was healthy: %s", s.name, m.why), m.why)
	case s.state == running:
		s.fail(m.why)
	case !s.wanted:
		s.settle()
	case s.state == ending: // the back-off goes on
		s.state = backingOff
		s.publish()
	default: // killed at the end of the back-off
		s.spawn()
	}
}

// startFailed ends a run that did not get healthy: the first one for good,
// with err for those who wait, and a restart as the next failure.
func (s *service) startFailed(err error, why string) {
	if !s.first {
		s.sup.log.Printf("service '%s' failed health check after restart", s.name)
		s.fail(why)
		return
	}
	s.sup.log.Printf("failed to start '%s': %s", s.name, why)
	s.wanted, s.verdict = false, &StartError{err}
	s.terminate()
}

// fail counts a failure, and restarts the service or gives it up.
func (s *service) fail(why string) {
	s.endProbes()
	s.failures++
	s.lastErr, s.lastAt = why, time.Now()
	s.sup.log.Printf("service '%s' unhealthy (failure %d/%d): %s", s.name, s.failures, maxFailures, why)
	if s.failures >= maxFailures {
		s.sup.log.Printf("service '%s' marked as failed after %d consecutive failures", s.name, maxFailures)
		s.wanted, s.givenUp = false, true
		s.answerStarts(startReply{err: fmt.Errorf("service '%s' marked as failed after %d consecutive failures: %s", s.name, maxFailures, why)})
		s.terminate()
		s.publish()
		return
	}
	wait := backoff(s.failures)
	s.sup.log.Printf("restarting '%s' in %v", s.name, wait)
	s.state = backingOff
	if s.proc != nil {
		s.state = ending
		s.proc.Terminate()
	}
	s.arm(wait)
	s.publish()
}

// terminate ends the process, if there is one, with grace.
func (s *service) terminate() {
	s.endProbes()
	switch {
	case s.proc == nil:
		s.settle()
	case s.hurry:
		s.kill()
	default:
		s.proc.Terminate()
		s.state = ending
		s.arm(grace)
	}
}

func (s *service) kill() {
	s.proc.Kill()
	s.state = killed
	s.arm(killTimeout)
}

// giveUpKilling reports a process that survives SIGKILL to all who wait. It
// stays listed as failed, and is not signalled again; if it ever goes, so
// does the entry of a service that was stopped.
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
