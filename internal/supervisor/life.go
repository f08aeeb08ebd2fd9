package supervisor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"zr/internal/health"
	"zr/internal/packages"
)

// A ForeignError means that somebody else answers on a service's port.
type ForeignError struct {
	Port   int
	Holder string // "" where it cannot be known
}

func (e *ForeignError) Error() string {
	if e.Holder == "" {
		return fmt.Sprintf("port %d is held by another process", e.Port)
	}
	return fmt.Sprintf("port %d is held by %s", e.Port, e.Holder)
}

// A StartError tells of a start whose process came up, and then did not get healthy. The log has
// it already, with what the last probe met.
type StartError struct{ error }

func (e *StartError) Unwrap() error { return e.error }

// spawn starts the next run. The receipt and the definition are read afresh,
// in a goroutine, because disks can be slow: a stop does not wait for it.
func (s *service) spawn() {
	s.timer.Stop()
	s.state = loading
	if s.info.Load() != nil { // a package that turns out not to exist is never listed
		s.publish()
	}
	s.run++
	run := s.run
	go func() {
		pkg, err := s.sup.sys.Load(s.name)
		s.send(loadedMsg{run, pkg, err})
	}()
}

// deliver gives up the port that the service had, unless it is to have it again: another
// service may want it, and this one another's.
func (m loadedMsg) deliver(s *service) {
	if m.run != s.run || s.state != loading {
		return
	}
	s.sup.release(s.name, m.pkg.Port)
	if m.err != nil {
		s.spawnFailed(m.err)
		return
	}
	s.state = spawning
	go func() {
		proc, err := s.sup.spawn(m.pkg)
		s.send(spawnedMsg{m.run, m.pkg, proc, err})
	}()
}

func (s *Supervisor) spawn(pkg packages.Service) (Process, error) {
	if err := s.claim(pkg.Port, pkg.Name); err != nil {
		return nil, err
	}
	return s.sys.Start(pkg)
}

func (m spawnedMsg) deliver(s *service) {
	if m.err != nil {
		s.spawnFailed(m.err)
		return
	}
	s.proc, s.pkg = m.proc, m.pkg
	s.startedAt = time.Now()
	s.lastProbe = nil
	s.awaitExit(m.run, m.pkg.Port)
	if !s.wanted {
		s.terminate()
		return
	}
	s.state = starting
	if s.first {
		s.sup.log.Printf("started service '%s' on port %d", s.name, s.pkg.Port)
	} else {
		s.restarts++
	}
	s.arm(startTimeout)
	s.publish()
	go s.poll(s.probing(), m)
}

func (s *service) spawnFailed(err error) {
	switch {
	case !s.wanted:
		s.settle()
	case s.first:
		s.wanted, s.verdict = false, err
		s.settle()
	default:
		s.sup.log.Printf("failed to restart '%s': %v", s.name, err)
		s.fail(err.Error())
	}
}

// awaitExit has the end of a run reported. If somebody listens on the port even though the
// whole group is gone, that is likely why it ended.
func (s *service) awaitExit(run, port int) {
	s.proc.OnExit(func(why string) {
		if holder := s.sup.sys.Holder(port); holder != "" {
			why += ": " + (&ForeignError{port, holder}).Error()
		}
		s.send(exitedMsg{run, why})
	})
}

// probing returns the context of the next probes. It takes half a kilobyte: a service at rest has none.
func (s *service) probing() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	s.cancel = cancel
	return ctx
}

// endProbes ends those that are under way.
func (s *service) endProbes() {
	s.cancel()
	s.cancel = func() {}
}

// poll probes a new process until it is healthy or ctx ends.
func (s *service) poll(ctx context.Context, m spawnedMsg) {
	began := time.Now()
	for {
		err := s.sup.sys.Probe(ctx, m.proc, m.pkg)
		if !s.send(probedMsg{m.run, err}) || err == nil {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pollGap(time.Since(began))):
		}
	}
}

func (m probedMsg) deliver(s *service) {
	if m.run != s.run {
		return
	}
	var foreign *ForeignError
	switch {
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
	s.endProbes()
	s.state = running
	s.upSince = time.Now()
	if !s.first {
		s.sup.log.Printf("service '%s' restarted successfully", s.name)
	}
	s.first = false
	s.publish()
	s.answerStarts(startReply{port: s.pkg.Port})
	s.armCheck()
}

// armCheck sets the deadline to the next check. Failures are forgotten by a
// check that passes after stable, so there is one at that moment if there are
// any.
func (s *service) armCheck() {
	now := time.Now()
	at := nextCheck(s.name, s.sup.began, now, s.sup.interval)
	if confirm := s.upSince.Add(stable); s.failures > 0 && confirm.After(now) && confirm.Before(at) {
		at = confirm
	}
	s.arm(at.Sub(now))
}

// check probes a running service once. It needs no deadline of its own: a
// probe has one, and always reports.
func (s *service) check() {
	ctx, run, proc, pkg := s.probing(), s.run, s.proc, s.pkg
	go func() { s.send(probedMsg{run, s.sup.sys.Probe(ctx, proc, pkg)}) }()
}

func (s *service) checked(err error) {
	s.endProbes()
	switch {
	case errors.Is(err, health.ErrLocal):
		s.arm(localRetry)
		return
	case err != nil:
		s.fail(err.Error())
		return
	case s.failures > 0 && time.Since(s.upSince) >= stable:
		s.failures = 0
		s.publish()
	}
	s.armCheck()
}

func (s *service) deadline() {
	switch s.state {
	case starting:
		why := errTimeout.Error()
		if s.lastProbe != nil {
			why += ": " + s.lastProbe.Error()
		}
		s.startFailed(errTimeout, why)
	case running:
		s.check()
	case ending:
		s.kill()
	case killed:
		s.giveUpKilling()
	case backingOff:
		s.spawn()
	}
}
