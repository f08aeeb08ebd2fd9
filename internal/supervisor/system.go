package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"sync/atomic"
	"time"

	"zr/internal/health"
	"zr/internal/packages"
	"zr/internal/process"
	"zr/internal/sockets"
)

// NewSystem returns the real System for the packages in home.
func NewSystem(home *packages.Home, starter *process.Starter, table *sockets.Table) System {
	return &system{home, starter, table}
}

// A ForeignError means that another process's socket has a service's port.
type ForeignError struct {
	Port   int
	Holder string
}

func (e *ForeignError) Error() string {
	return fmt.Sprintf("port %d is held by %s", e.Port, e.Holder)
}

type system struct {
	*packages.Home
	starter *process.Starter
	table   socketTable
}

// socketTable is the part of *sockets.Table that a system needs.
type socketTable interface {
	Listener(port int) (inode uint32, err error)
	Held(inode uint32, pids ...int) (held, sure bool)
	Holder(inode uint32) (sockets.Holder, bool)
	Blocker(port int) (sockets.Holder, bool)
}

func (s *system) Lead() time.Duration { return s.starter.Lead() }

func (s *system) Start(pkg packages.Service) (Process, error) {
	if holder, blocked := s.table.Blocker(pkg.Port); blocked {
		return nil, &ForeignError{pkg.Port, holder.String()}
	}
	p, err := s.starter.Start(process.Command{
		Name: pkg.Name, Dir: pkg.Dir, Path: pkg.Binary, Args: []string{"--listen=:" + strconv.Itoa(pkg.Port)},
	})
	if err != nil {
		return nil, fmt.Errorf("failed to spawn service: %w", err)
	}
	return &instance{Process: p, pkg: pkg, table: s.table}, nil
}

func (s *system) Holder(port int) string {
	inode, err := s.table.Listener(port)
	if err != nil {
		return ""
	}
	h, _ := s.table.Holder(inode)
	return h.String()
}

// An instance is a process of a package.
type instance struct {
	*process.Process
	pkg   packages.Service
	table socketTable
	inode atomic.Uint32 // of the listener that was found to be its own; it is not looked up again
}

// A question is a probe whose reply counts only if the process has the port.
type question struct {
	*instance
	probe *health.Probe
}

func (i *instance) Ask() Question {
	return question{i, health.Start(i.pkg.Port, i.pkg.Health, i.pkg.HealthTimeout)}
}

// Poll leaves it to Wait to look for the owner of a new listener, which takes time.
func (q question) Poll() (known bool, verdict error) {
	known, verdict = q.probe.Poll()
	return known && q.listens(), verdict
}

func (q question) Wait(ctx context.Context) error { return q.judge(q.probe.Wait(ctx)) }

// listens reports whether the listener on the port is surely the process's.
func (i *instance) listens() bool {
	inode, err := i.table.Listener(i.pkg.Port)
	return err == nil && inode == i.inode.Load()
}

// judge looks at the owner of the port whatever the reply was: another process that answers 404, or
// nothing, keeps the service from its port just as well.
func (i *instance) judge(err error) error {
	if errors.Is(err, health.ErrNoVerdict) {
		return err
	}
	owner := i.checkListener()
	var foreign *ForeignError
	if err == nil || errors.As(owner, &foreign) {
		return owner
	}
	return err
}

// checkListener returns an error unless the listener on the port is the service's. If the owner
// cannot be known, and no other process is seen to have the socket, it counts as the service's.
func (i *instance) checkListener() error {
	port := i.pkg.Port
	inode, err := i.table.Listener(port)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w: the answer on port %d comes from no listener", health.ErrNoVerdict, port)
	case err != nil || inode == i.inode.Load():
		return nil
	}
	held, sure := i.table.Held(inode, i.Pid())
	if !held {
		held, sure = i.table.Held(inode, i.Members()...)
	}
	if !held && !sure {
		_, others := i.table.Holder(inode)
		held = !others
	}
	if held {
		i.inode.Store(inode)
		return nil
	}
	// A process that is exiting loses its descriptors a moment before its listener leaves the
	// table.
	if again, err := i.table.Listener(port); err != nil || again != inode {
		return fmt.Errorf("%w: the listener on port %d has just changed", health.ErrNoVerdict, port)
	}
	holder, _ := i.table.Holder(inode)
	return &ForeignError{port, holder.String()}
}
