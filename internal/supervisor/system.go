package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"sync"
	"sync/atomic"

	"zr/internal/health"
	"zr/internal/packages"
	"zr/internal/process"
	"zr/internal/sockets"
)

// NewSystem returns the real System, of the packages in home.
func NewSystem(home *packages.Home, starter *process.Starter, table *sockets.Table) System {
	return &system{home, starter, table}
}

type system struct {
	*packages.Home
	starter *process.Starter
	table   socketTable
}

// socketTable is what a system asks of a *sockets.Table.
type socketTable interface {
	Listener(port int) (inode uint32, err error)
	Held(inode uint32, pids ...int) (held, sure bool)
	Holder(inode uint32) (sockets.Holder, bool)
	Blocker(port int) (sockets.Holder, bool)
}

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
	inode atomic.Uint32 // of the listener that was found to be its own, which need not be looked at again
}

// Probe looks at the listener whatever the reply was: another process that answers 404, or nothing,
// keeps the service from its port just as well.
func (i *instance) Probe(ctx context.Context) error {
	err := health.Probe(ctx, i.pkg.Port, i.pkg.Health, i.pkg.HealthTimeout)
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

// looking is held by the one that looks into /proc: side by side, many would take a thread each.
var looking sync.Mutex

// checkListener returns an error unless the listener on the port is the service's. A listener whose
// owner cannot be known is taken for the service's, if no other process is seen to have it.
func (i *instance) checkListener() error {
	port := i.pkg.Port
	inode, err := i.table.Listener(port)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("the answer on port %d comes from no listener", port)
	case err != nil || inode == i.inode.Load():
		return nil
	}
	looking.Lock()
	defer looking.Unlock()
	held, _ := i.table.Held(inode, i.Pid())
	if sure := true; !held {
		if held, sure = i.table.Held(inode, i.Members()...); !sure {
			_, others := i.table.Holder(inode)
			held = !others
		}
	}
	if held {
		i.inode.Store(inode)
		return nil
	}
	// The listener of a process that is just exiting is in the table for a moment longer than among
	// its descriptors.
	if again, err := i.table.Listener(port); err != nil || again != inode {
		return fmt.Errorf("the listener on port %d has just changed", port)
	}
	holder, _ := i.table.Holder(inode)
	return &ForeignError{port, holder.String()}
}
