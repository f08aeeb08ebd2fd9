package supervisor

import (
	"errors"
	"io/fs"
	"os"
	"testing"

	"zr/internal/health"
	"zr/internal/process"
	"zr/internal/sockets"
)

func TestMain(m *testing.M) {
	process.Stage()
	os.Exit(m.Run())
}

// A fakeTable finds these listeners, one after the other, on every port.
type fakeTable struct {
	listeners []uint32
	doubt     bool // the descriptors of the service cannot be read
	seen      bool // another process has the socket
}

func (f *fakeTable) Listener(int) (uint32, error) {
	inode := f.listeners[0]
	f.listeners = f.listeners[1:]
	if inode == 0 {
		return 0, fs.ErrNotExist
	}
	return inode, nil
}

func (f *fakeTable) Held(uint32, ...int) (held, sure bool) { return false, !f.doubt }
func (f *fakeTable) Blocker(int) (sockets.Holder, bool)    { return sockets.Holder{}, false }
func (f *fakeTable) Holder(uint32) (sockets.Holder, bool)  { return sockets.Holder{}, f.seen }

// A listener that goes away while its owner is looked up belongs to no other process. A listener
// whose owner cannot be seen is the service's, unless another process has it. Another process is
// named whatever it replied.
func TestOwnerOfAListener(t *testing.T) {
	t.Parallel()
	starter, err := process.NewStarter(nil, os.Stderr, "")
	if err != nil {
		t.Fatal(err)
	}
	p, err := starter.Start(process.Command{Name: "kv", Dir: "/", Path: os.Args[0], Args: []string{"-test.list=^$"}})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Wait()
	answered := errors.New("GET /health answered 404")
	for _, c := range []struct {
		table fakeTable
		reply error
		want  string
	}{
		{fakeTable{listeners: []uint32{0}}, nil, "cannot probe: the answer on port 9200 comes from no listener"},
		{fakeTable{listeners: []uint32{7, 0}}, nil, "cannot probe: the listener on port 9200 has just changed"},
		{fakeTable{listeners: []uint32{7, 8}}, nil, "cannot probe: the listener on port 9200 has just changed"},
		{fakeTable{listeners: []uint32{7, 7}}, nil, "port 9200 is held by another process"},
		{fakeTable{listeners: []uint32{7}, doubt: true}, nil, ""},
		{fakeTable{listeners: []uint32{7, 7}, doubt: true, seen: true}, nil, "port 9200 is held by another process"},
		{fakeTable{listeners: []uint32{7, 7}}, answered, "port 9200 is held by another process"},
		{fakeTable{listeners: []uint32{0}}, answered, "GET /health answered 404"},
		{fakeTable{listeners: []uint32{7}, doubt: true}, answered, "GET /health answered 404"},
		{fakeTable{}, health.ErrNoVerdict, "cannot probe"},
	} {
		i := &instance{Process: p, table: &c.table}
		i.pkg.Port = 9200
		got := ""
		if err := i.judge(c.reply); err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%+v, %v: got %q, want %q", c.table, c.reply, got, c.want)
		}
	}
}
