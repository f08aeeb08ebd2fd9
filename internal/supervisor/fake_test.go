package supervisor

import (
	"context"
	"errors"
	"fmt"
	"time"

	"zr/internal/health"
	"zr/internal/packages"
)

func (w *world) Load(name string) (packages.Service, error) {
	w.mu.Lock()
	pkg, ok := w.installed[name]
	wait := w.loadTime
	w.mu.Unlock()
	time.Sleep(wait)
	if !ok {
		return packages.Service{}, fmt.Errorf("package '%s' not found", name)
	}
	return pkg, nil
}

func (w *world) Start(pkg packages.Service) (Process, error) {
	w.mu.Lock()
	wait := w.spawnTime
	w.mu.Unlock()
	time.Sleep(wait)
	note := "spawn %s %v"
	if info := w.info(pkg.Name); info.Failures > 0 {
		note = fmt.Sprintf("restart %%s %%v after failure %d: %s", info.Failures, info.LastError)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.spawnErr != nil {
		w.noteLocked(note, pkg.Name, "fails")
		return nil, w.spawnErr
	}
	for _, other := range w.procs {
		if other.lives && (other.pkg.Name == pkg.Name || other.pkg.Port == pkg.Port) {
			w.t.Errorf("spawned %+v beside process %d of %+v", pkg, other.pid, other.pkg)
		}
	}
	p := &proc{
		w: w, pid: 101 + len(w.procs), pkg: pkg, born: time.Now(),
		lives: true, dead: make(chan struct{}), exited: make(chan string, 1),
	}
	w.procs = append(w.procs, p)
	w.noteLocked(note, pkg.Name, p.pid)
	if w.setup != nil {
		w.setup(p)
	}
	if p.dies > 0 {
		time.AfterFunc(p.dies, func() { p.exit("exit status 1") })
	}
	return p, nil
}

func (w *world) Lead() time.Duration { return 0 }

func (w *world) Holder(port int) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.holders[port]
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
	w := p.w
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.watched {
		w.noteLocked("probe %d", p.pid)
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
		w.asked++
		w.mostAsked = max(w.mostAsked, w.asked)
	}
	time.AfterFunc(takes, func() {
		if !hung {
			w.set(func() { w.asked-- })
		}
		a <- err
	})
	return a
}

const hangs = time.Hour // for proc.takes

// A proc is healthy from the start and dies of SIGTERM at once, unless a field says otherwise.
type proc struct {
	w        *world
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

	lives  bool
	dead   chan struct{} // closed when it has exited
	exited chan string
}

func (p *proc) Pid() int { return p.pid }

func (p *proc) Count() int { return 1 }
func (p *proc) Exited() bool {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	return !p.lives
}
func (p *proc) Wait() string { return <-p.exited }

func (p *proc) Executed() error {
	select {
	case <-time.After(p.loads):
	case <-p.dead:
	}
	return p.never
}

func (p *proc) Terminate() {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	p.w.noteLocked("SIGTERM %d", p.pid)
	switch {
	case p.deaf:
	case p.slow > 0:
		time.AfterFunc(p.slow, func() { p.exit("exit status 0") })
	default:
		p.exitLocked("signal: terminated")
	}
}

func (p *proc) Kill() {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	p.w.noteLocked("SIGKILL %d", p.pid)
	if !p.immortal {
		p.exitLocked("signal: killed")
	}
}

func (p *proc) exit(how string) { p.w.set(func() { p.exitLocked(how) }) }

func (p *proc) exitLocked(how string) {
	if p.lives {
		p.lives = false
		close(p.dead)
		p.w.noteLocked("exit %d: %s", p.pid, how)
		p.exited <- how
	}
}
