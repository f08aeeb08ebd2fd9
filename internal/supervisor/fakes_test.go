package supervisor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"zr/internal/health"
	"zr/internal/packages"
)

func (s *simulation) Load(name string) (packages.Service, error) {
	s.mu.Lock()
	pkg, ok := s.installed[name]
	wait := s.loadTime
	s.mu.Unlock()
	time.Sleep(wait)
	if !ok {
		return packages.Service{}, fmt.Errorf("package '%s' not found", name)
	}
	return pkg, nil
}

func (s *simulation) Start(pkg packages.Service) (Process, error) {
	s.mu.Lock()
	wait := s.spawnTime
	s.mu.Unlock()
	time.Sleep(wait)
	note := "spawn %s %v"
	if info := s.info(pkg.Name); info.Failures > 0 {
		note = fmt.Sprintf("restart %%s %%v after failure %d: %s", info.Failures, info.LastError)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.spawnErr != nil {
		s.noteLocked(note, pkg.Name, "fails")
		return nil, s.spawnErr
	}
	for _, other := range s.procs {
		if other.lives && (other.pkg.Name == pkg.Name || other.pkg.Port == pkg.Port) {
			s.t.Errorf("spawned %+v beside process %d of %+v", pkg, other.pid, other.pkg)
		}
	}
	p := &proc{
		sim: s, pid: 101 + len(s.procs), pkg: pkg, born: time.Now(),
		lives: true, dead: make(chan struct{}), exited: make(chan string, 1),
	}
	s.procs = append(s.procs, p)
	s.noteLocked(note, pkg.Name, p.pid)
	if s.setup != nil {
		s.setup(p)
	}
	if p.dies > 0 {
		time.AfterFunc(p.dies, func() { p.exit("exit status 1") })
	}
	return p, nil
}

func (s *simulation) Lead() time.Duration { return 0 }

func (s *simulation) Holder(port int) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.holders[port]
}

// An answer is the verdict of a fake process on itself, once it has one.
type answer chan error

func (a answer) Wait(ctx context.Context) error {
	select {
	case err := <-a:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (a answer) Poll() (bool, error) {
	select {
	case err := <-a:
		return true, err
	default:
		return false, nil
	}
}

func (p *proc) Ask() Question {
	s := p.sim
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.watched {
		s.noteLocked("probe %d", p.pid)
	}
	err, takes := p.ill, p.takes
	if err == nil && time.Since(p.born) < p.ready {
		err = health.ErrRefused
	}
	if takes > p.pkg.HealthTimeout {
		err, takes = errors.New("no answer to GET /health within 2 s"), p.pkg.HealthTimeout
	}
	a := make(answer, 1)
	if takes == 0 {
		a <- err
		return a
	}
	hung := takes == p.pkg.HealthTimeout
	if !hung {
		s.asked++
		s.mostAsked = max(s.mostAsked, s.asked)
	}
	time.AfterFunc(takes, func() {
		if !hung {
			s.set(func() { s.asked-- })
		}
		a <- err
	})
	return a
}

const hangs = time.Hour // for proc.takes

// A proc is healthy from the start and dies of SIGTERM at once, unless a field says otherwise.
type proc struct {
	sim      *simulation
	pid      int
	pkg      packages.Service
	born     time.Time
	loads    time.Duration // until its program is executed
	never    error         // why it is not executed
	ready    time.Duration // healthy this long after its birth
	dies     time.Duration // exits this long after its birth; 0: it does not
	ill      error         // the result of its probes
	takes    time.Duration // until probes are answered
	deaf     bool          // ignores SIGTERM
	slow     time.Duration // from SIGTERM to its exit
	immortal bool          // survives SIGKILL
	leftover bool          // something that it started survives SIGKILL: Wait does not return

	lives  bool
	dead   chan struct{} // closed when it has exited
	exited chan string
}

func (p *proc) Pid() int { return p.pid }

func (p *proc) Count() int { return 1 }
func (p *proc) Exited() bool {
	p.sim.mu.Lock()
	defer p.sim.mu.Unlock()
	return !p.lives
}
func (p *proc) Wait() string { return <-p.exited }

func (p *proc) Executed() error {
	if p.loads > 0 { // expired timers can crash Go's race detector in virtual time
		select {
		case <-time.After(p.loads):
		case <-p.dead:
		}
	}
	return p.never
}

func (p *proc) Terminate() {
	p.sim.mu.Lock()
	defer p.sim.mu.Unlock()
	p.sim.noteLocked("SIGTERM %d", p.pid)
	switch {
	case p.deaf:
	case p.slow > 0:
		time.AfterFunc(p.slow, func() { p.exit("exit status 0") })
	default:
		p.exitLocked("signal: terminated")
	}
}

func (p *proc) Kill() {
	p.sim.mu.Lock()
	defer p.sim.mu.Unlock()
	p.sim.noteLocked("SIGKILL %d", p.pid)
	if !p.immortal {
		p.exitLocked("signal: killed")
	}
}

func (p *proc) exit(how string) { p.sim.set(func() { p.exitLocked(how) }) }

func (p *proc) exitLocked(how string) {
	if p.lives {
		p.lives = false
		close(p.dead)
		p.sim.noteLocked("exit %d: %s", p.pid, how)
		if !p.leftover {
			p.exited <- how
		}
	}
}
