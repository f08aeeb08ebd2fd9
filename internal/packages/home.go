package packages

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// A read from a disk that does not answer blocks a thread without limit. So each name has at most
// one read at a time, and there are at most maxReads. At most maxQuick begin within slowRead, so
// that a disk that answers is read by few threads. Beside the most reads that hang, another begins
// within 4 s. A caller waits at most readLimit for a place among the reads, and as long for its
// read.
const (
	maxReads  = 256
	maxQuick  = 8
	slowRead  = 100 * time.Millisecond
	readLimit = 10 * time.Second
)

// A Home is the folder that holds modules/ and store/. It is safe for concurrent use.
type Home struct {
	dir   string
	reads chan struct{} // holds one element for each read
	quick chan struct{} // holds one element for each read that has just begun
	busy  sync.Map      // of chan struct{}, closed when the read of that name ends
}

// Open returns the home in dir. It reads nothing yet.
func Open(dir string) *Home {
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	return &Home{dir: dir, reads: make(chan struct{}, maxReads), quick: make(chan struct{}, maxQuick)}
}

// within calls read in a goroutine, at most one for each name at a time, and returns its result. It
// gives up after readLimit, with an error that begins with the name. The read then keeps its thread
// and its name until it ends.
func within[T any](h *Home, name string, read func() (T, error)) (T, error) {
	limit := time.NewTimer(readLimit)
	defer limit.Stop()
	end, ok := h.reserve(name, limit.C)
	if ok {
		limit.Reset(readLimit)
		var value T
		var err error
		done := make(chan struct{})
		go func() {
			defer end()
			defer close(done)
			value, err = read()
		}()
		select {
		case <-done:
			return value, err
		case <-limit.C:
		}
	}
	var none T
	return none, fmt.Errorf("%s: the disk with %s did not answer within %v", name, h.dir, readLimit)
}

// reserve waits until no other read of the name is under way and a new read may begin. It returns
// the function that ends the reservation.
func (h *Home) reserve(name string, limit <-chan time.Time) (end func(), ok bool) {
	ended := make(chan struct{})
	for {
		other, busy := h.busy.LoadOrStore(name, ended)
		if !busy {
			break
		}
		select {
		case <-other.(chan struct{}):
		case <-limit:
			return nil, false
		}
	}
	free := func() {
		h.busy.Delete(name)
		close(ended)
	}
	select {
	case h.reads <- struct{}{}:
	case <-limit:
		free()
		return nil, false
	}
	h.quick <- struct{}{}
	slow := sync.OnceFunc(func() { <-h.quick })
	timer := time.AfterFunc(slowRead, slow)
	return func() {
		timer.Stop()
		slow()
		<-h.reads
		free()
	}, true
}

// readFile reads a regular file of at most limit bytes. It opens no other kind: opening a device
// can have effects, and opening a FIFO can block. It reads no more than the file's size, so that an
// endless file of /proc, whose size is 0, seems empty.
func readFile(path string, limit int64) ([]byte, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", path)
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if st, err = f.Stat(); err != nil { // another file may have its name by now
		return nil, err
	}
	if st.Size() > limit {
		return nil, fmt.Errorf("%s: larger than %d KiB", path, limit>>10)
	}
	return io.ReadAll(io.LimitReader(f, st.Size()))
}
