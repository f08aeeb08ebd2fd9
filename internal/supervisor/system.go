package supervisor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync/atomic"
	"syscall"

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
	table   table
}

// table is what a system asks of a *sockets.Table.
type table interface {
	Listener(port int) uint32
	HeldBy(inode uint32, leader int) bool
	Holder(port int) (sockets.Holder, bool)
}

// verified is a process that remembers which listening socket was found to
// be its own: as long as the port leads to the same one, there is no need to look again.
type verified struct {
	*process.Process
	inode atomic.Uint32
}

func (s *system) Start(pkg packages.Service) (Process, error) {
	if err := s.checkPort(pkg.Port); err != nil {
		return nil, err
	}
	p, err := s.starter.Start(pkg.Binary, "--listen=:"+strconv.Itoa(pkg.Port))
	if err != nil {
		return nil, fmt.Errorf("failed to spawn service: %w", err)
	}
	return &verified{Process: p}, nil
}

// checkPort binds the port as the service will. Only "in use" counts: the
// service may be allowed what the daemon is not.
func (s *system) checkPort(port int) error {
	l, err := net.Listen("tcp", ":"+strconv.Itoa(port))
	if err == nil {
		return l.Close()
	}
	if errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, wsaEADDRINUSE) {
		return s.foreign(port)
	}
	return nil
}

// wsaEADDRINUSE is Windows' own; syscall.EADDRINUSE is none that it returns.
const wsaEADDRINUSE = syscall.Errno(10048)

func (s *system) foreign(port int) error {
	e := &ForeignError{Port: port}
	if h, ok := s.table.Holder(port); ok {
		e.Holder = h.String()
	}
	return e
}

// Probe looks at who listens whatever the answer was: a foreigner that answers
// 404, or nothing, keeps the service from its port just as well.
func (s *system) Probe(ctx context.Context, proc Process, pkg packages.Service) error {
	err := health.Probe(ctx, pkg.Port, pkg.Health)
	if !errors.Is(err, health.ErrLocal) && s.isForeign(proc.(*verified), pkg.Port) {
		return s.foreign(pkg.Port)
	}
	return err
}

// isForeign asks for the listener again in the end: that of a process which is just
// exiting is in the table for a moment longer than among its descriptors.
func (s *system) isForeign(p *verified, port int) bool {
	inode := s.table.Listener(port)
	if inode == 0 || inode == p.inode.Load() {
		return false
	}
	if s.table.HeldBy(inode, p.Pid()) {
		p.inode.Store(inode)
		return false
	}
	return s.table.Listener(port) == inode
}

func (s *system) Holder(port int) string {
	if s.table.Listener(port) == 0 {
		return ""
	}
	h, ok := s.table.Holder(port)
	if !ok {
		return "another process"
	}
	return h.String()
}
