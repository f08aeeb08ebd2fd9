package process

import (
	"os"
	"sync"
	"syscall"
)

// exits awaits the exits of all processes in one goroutine, by an epoll instance that is itself in the
// runtime's poller. A goroutine and a file for each would take 4 kB more of memory.
type exits struct {
	epoll int
	mu    sync.Mutex
	then  map[int32]func() // by pidfd; called once
}

// newExits returns nil where the kernel has no such thing: then a thread waits for each process.
func newExits() *exits {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil
	}
	syscall.SetNonblock(fd, true) // else the poller does not take it
	e := &exits{epoll: fd, then: make(map[int32]func())}
	conn, err := os.NewFile(uintptr(fd), "epoll").SyscallConn()
	if err != nil {
		return nil
	}
	go conn.Read(e.dispatch)
	return e
}

// await has then called, in a goroutine of its own, when the process is a zombie. If it returns false, that
// cannot be awaited. Either way it closes pidfd, which may be -1.
func (e *exits) await(pidfd int, then func()) bool {
	if e == nil {
		syscall.Close(pidfd)
		return false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if syscall.EpollCtl(e.epoll, syscall.EPOLL_CTL_ADD, pidfd, &syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(pidfd)}) != nil {
		syscall.Close(pidfd)
		return false
	}
	e.then[int32(pidfd)] = then
	return true
}

// dispatch takes all events that there are; false means that there will be more.
func (e *exits) dispatch(uintptr) bool {
	var events [32]syscall.EpollEvent
	for {
		n, err := syscall.EpollWait(e.epoll, events[:], 0)
		if n <= 0 && err != syscall.EINTR {
			return false
		}
		for _, event := range events[:max(n, 0)] {
			go e.take(event.Fd)()
		}
	}
}

// take ends the wait for a pidfd. It leaves the set before it is closed, as os.Process has
// another descriptor of the same.
func (e *exits) take(pidfd int32) (then func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	then = e.then[pidfd]
	delete(e.then, pidfd)
	syscall.EpollCtl(e.epoll, syscall.EPOLL_CTL_DEL, int(pidfd), nil)
	syscall.Close(int(pidfd))
	return then
}
