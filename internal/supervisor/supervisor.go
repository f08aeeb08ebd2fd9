// Package supervisor keeps services in the state that clients asked for. One goroutine, the actor
// in actor.go, owns each service and everything about it. The Supervisor only finds it by name. No
// lock is held across a spawn, a probe, a wait or a channel send, so no service delays another.
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

// A System gives access to installed packages and processes.
type System interface {
	// Load returns the service of an installed package. Its errors are meant for clients. If the
	// definition could be read, the Service is valid even if there is an error.
	Load(name string) (packages.Service, error)
	// Start checks that the port is free and makes the process of a service. Its errors are meant
	// for clients.
	Start(packages.Service) (Process, error)
	// Lead returns how long it takes at least from Start until a program is executed. A restart
	// begins that much earlier than its back-off ends.
	Lead() time.Duration
	// Holder describes the process that listens on port; "" if there is none.
	Holder(port int) string
}

// A Process is the main process of a service and everything that it started.
type Process interface {
	Pid() int
	Count() int      // the number of its processes; 0: unknown
	Exited() bool    // reports whether it has exited, even if Wait has not returned; false if unknown
	Executed() error // waits until its program runs, or returns why it never will
	Ask() Question   // begins a probe, without waiting
	Terminate()
	Kill()
	Wait() (how string) // returns how it exited once all of it is gone; called once
}

// A Question is a probe under way. Its verdict is nil if the service is healthy and this process
// answered. health.ErrNoVerdict says nothing about the service. A *ForeignError fails a start at
// once. One goroutine calls Poll until the verdict is known, or calls Wait.
type Question interface {
	Poll() (known bool, verdict error) // does not wait
	Wait(context.Context) error        // waits for the verdict until the context ends
}

// DefaultInterval is how often a running service is checked.
const DefaultInterval = 10 * time.Second

// ErrShutdown answers a start when the daemon is ending.
var ErrShutdown = errors.New("the daemon is shutting down")

// A Supervisor is safe for concurrent use.
type Supervisor struct {
	sys    System
	log    *log.Logger
	rounds rounds

	mu       sync.Mutex
	services map[string]*service
	ports    map[int]string // the service of each port, from its spawn until it is stopped or failed
	closed   bool
}

// New returns a Supervisor without services. It checks running services every interval.
func New(sys System, logger *log.Logger, interval time.Duration) *Supervisor {
	return &Supervisor{
		sys: sys, log: logger, rounds: rounds{began: time.Now(), interval: interval},
		services: make(map[string]*service),
		ports:    make(map[int]string),
	}
}

// Start brings the service up and returns its port once it is healthy. An error means that it is
// not running: it was stopped, was never started or failed.
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

// StartEager brings a service up with the daemon. If its first start fails, or its package cannot
// be read, that is retried like a restart. If the package is read later and is not eager, the
// service is not started. StartEager returns when the first attempt has ended.
func (s *Supervisor) StartEager(name string) {
	tried := make(chan struct{})
	if svc, err := s.forStart(name); err == nil && svc.send(eagerMsg{tried}) {
		<-tried
	}
}

// Stop returns once the service has no process left. The service need not exist. An error means
// that a process survived SIGKILL.
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

// Shutdown stops all services side by side and refuses every further start. It returns once the
// services are gone. Its error names the services that are not.
func (s *Supervisor) Shutdown() error { return s.shutdown(stopMsg{final: true}) }

// Kill is Shutdown without grace.
func (s *Supervisor) Kill() error { return s.shutdown(stopMsg{final: true, noGrace: true}) }

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

// forget removes a service that has ended. A message that meets it later is sent to its successor.
func (s *Supervisor) forget(svc *service) {
	s.mu.Lock()
	delete(s.services, svc.name)
	s.mu.Unlock()
}

// claim gives the port to a service unless another service has it.
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

// release frees every port of the service but keep.
func (s *Supervisor) release(name string, keep int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for port, owner := range s.ports {
		if owner == name && port != keep {
			delete(s.ports, port)
		}
	}
}
