// Package supervisor keeps services in the state that clients asked for. One goroutine, the actor in
// actor.go, owns each service and everything about it; the Supervisor only finds it by name. No lock
// is held across a spawn, a probe, a wait or a channel send, so that no service can delay another.
package supervisor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log"
	"slices"
	"sync"
	"time"

	"zr/internal/packages"
)

// A System is the world outside: installed packages and processes.
type System interface {
	// Load returns what an installed package runs. Its errors are meant for clients. If the
	// definition could be read, the Service is valid beside an error.
	Load(name string) (packages.Service, error)
	// Start checks that the port is free and makes the process of a service. Its errors are meant
	// for clients.
	Start(packages.Service) (Process, error)
	// Holder returns words for the process that listens on port, or "".
	Holder(port int) string
}

// A Process is a started service and all that belongs to it.
type Process interface {
	Pid() int
	Count() int      // of its processes; 0: unknown
	Executed() error // waits until its program runs, or returns why it never will
	// Probe returns nil if the service is healthy and it is this process that answered. An error
	// that is health.ErrNoVerdict says nothing of the service; one that is a *ForeignError is final.
	Probe(context.Context) error
	Terminate()
	Kill()
	Wait() (how string) // waits until nothing is left of it; called once
}

// DefaultInterval is how often a running service is checked: the original's.
const DefaultInterval = 10 * time.Second

// ErrShutdown is the answer to a start once the daemon is ending.
var ErrShutdown = errors.New("the daemon is shutting down")

// A Supervisor is safe for concurrent use.
type Supervisor struct {
	sys      System
	log      *log.Logger
	interval time.Duration
	began    time.Time

	mu       sync.Mutex
	services map[string]*service
	ports    map[int]string // whose each port is, from the spawn until the service is stopped or failed
	closed   bool
}

// New returns a Supervisor without services that checks running ones every
// interval.
func New(sys System, logger *log.Logger, interval time.Duration) *Supervisor {
	return &Supervisor{
		sys: sys, log: logger, interval: interval, began: time.Now(),
		services: make(map[string]*service),
		ports:    make(map[int]string),
	}
}

// Start brings the service up and returns its port once it is healthy. An
// error means that it is not running: stopped, never started or failed.
func (s *Supervisor) Start(name string) (int, error) {
	reply := make(chan startReply, 1)
	for {
		svc, err := s.forStart(name)
		if err != nil {
			return 0, err
		}
		if svc.send(startMsg{reply}) {
			r := <-reply
			return r.port, r.err
		}
	}
}

// StartEager brings a service up with the daemon: if its first start fails, or its package cannot
// be read, that is retried as a restart is. It returns when the first attempt has ended. A package
// that can be read and turns out not to be eager is not started.
func (s *Supervisor) StartEager(name string) {
	tried := make(chan struct{})
	if svc, err := s.forStart(name); err == nil && svc.send(eagerMsg{tried}) {
		<-tried
	}
}

// Stop returns once nothing is left of the service, which need not exist. An error means that a
// process survived SIGKILL.
func (s *Supervisor) Stop(name string) error { return s.stop(name, stopMsg{}) }

func (s *Supervisor) stop(name string, m stopMsg) error {
	reply := make(chan error, 1)
	m.reply = reply
	for {
		s.mu.Lock()
		svc := s.services[name]
		s.mu.Unlock()
		if svc == nil {
			return nil
		}
		if svc.send(m) {
			return <-reply
		}
	}
}

// Shutdown stops all services side by side, refuses every further start, and
// returns once they are gone; its error names those that are not.
func (s *Supervisor) Shutdown() error { return s.shutdown(stopMsg{last: true}) }

// Kill is Shutdown without grace.
func (s *Supervisor) Kill() error { return s.shutdown(stopMsg{last: true, now: true}) }

func (s *Supervisor) shutdown(m stopMsg) error {
	s.mu.Lock()
	s.closed = true
	names := make([]string, 0, len(s.services))
	for name := range s.services {
		names = append(names, name)
	}
	s.mu.Unlock()
	errs := make([]error, len(names))
	var all sync.WaitGroup
	for i, name := range names {
		all.Go(func() { errs[i] = s.stop(name, m) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// Status returns all services, sorted by name. It waits for none of them.
func (s *Supervisor) Status() []Info {
	s.mu.Lock()
	list := make([]Info, 0, len(s.services))
	for _, svc := range s.services {
		if info := svc.info.Load(); info != nil {
			list = append(list, *info)
		}
	}
	s.mu.Unlock()
	slices.SortFunc(list, func(a, b Info) int { return cmp.Compare(a.Name, b.Name) })
	return list
}

// forStart finds the service, or makes one.
func (s *Supervisor) forStart(name string) (*service, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrShutdown
	}
	svc := s.services[name]
	if svc == nil {
		svc = newService(s, name)
		s.services[name] = svc
		go svc.loop()
	}
	return svc, nil
}

// forget removes a service that has ended. What is sent to it from now on
// finds it gone, and is sent to its successor.
func (s *Supervisor) forget(svc *service) {
	s.mu.Lock()
	delete(s.services, svc.name)
	s.mu.Unlock()
}

// claim gives the port to a service, unless it is another's.
func (s *Supervisor) claim(port int, name string) error {
	s.mu.Lock()
	owner, taken := s.ports[port]
	if !taken {
		s.ports[port] = name
	}
	s.mu.Unlock()
	if !taken || owner == name {
		return nil
	}
	if holder := s.sys.Holder(port); holder != "" {
		return fmt.Errorf("port %d is held by %s, service '%s'", port, holder, owner)
	}
	return fmt.Errorf("port %d is held by service '%s'", port, owner)
}

// spawn makes the process of a service whose port is free.
func (s *Supervisor) spawn(pkg packages.Service) (Process, error) {
	if err := s.claim(pkg.Port, pkg.Name); err != nil {
		return nil, err
	}
	return s.sys.Start(pkg)
}

// release gives back every port of the service but keep.
func (s *Supervisor) release(name string, keep int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for port, owner := range s.ports {
		if owner == name && port != keep {
			delete(s.ports, port)
		}
	}
}
