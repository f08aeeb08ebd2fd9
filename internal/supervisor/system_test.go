package supervisor

import (
	"os"
	"testing"

	"zr/internal/process"
	"zr/internal/sockets"
)

// listeners is a table that knows nobody, and in which these listen on every port, one after the other.
type listeners []uint32

func (l *listeners) Listener(int) uint32 {
	inode := (*l)[0]
	*l = (*l)[1:]
	return inode
}

func (*listeners) HeldBy(uint32, int) bool           { return false }
func (*listeners) Holder(int) (sockets.Holder, bool) { return sockets.Holder{}, false }

// The listener of a process that exits while it is looked for is nobody else's.
func TestListenerOfAnExitingProcessIsNotForeign(t *testing.T) {
	t.Parallel()
	p, err := process.NewStarter(nil, os.Stderr).Start(os.Args[0], "-test.list=^$")
	if err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	p.OnExit(func(string) { close(exited) })
	defer func() { <-exited }()
	for _, c := range []struct {
		table   listeners
		foreign bool
	}{
		{listeners{0}, false},
		{listeners{7, 0}, false},
		{listeners{7, 8}, false}, // which the next probe looks at
		{listeners{7, 7}, true},
	} {
		s := &system{table: &c.table}
		if got := s.isForeign(&verified{Process: p}, 9200); got != c.foreign {
			t.Errorf("listeners %d at the first and the second look: foreign is %v", c.table, got)
		}
	}
}

// Only "in use" counts: what else keeps the daemon from a port need not keep the service.
func TestPortThatCannotBeChecked(t *testing.T) {
	t.Parallel()
	s := &system{table: &listeners{}}
	if err := s.checkPort(1 << 16); err != nil { // as good as one that takes a privilege
		t.Errorf("got %v", err)
	}
}
