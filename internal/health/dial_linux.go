package health

import (
	"io"
	"os"
	"syscall"
	"time"
)

// A socket does not block: its methods return EAGAIN.
type socket int

// connect begins a connection to 127.0.0.1:port without waiting for its end. Package net would make
// twice as many system calls, and wake a goroutine.
//
// Closing the socket sends RST, as load balancers do for their checks, so that the service keeps no
// TIME_WAIT. Only a service that hangs up between closeWrite and the RST leaves one, on the probe's
// side. Before the service listens, the system may pick the service's port as the local port, and
// the socket is connected to itself. A TIME_WAIT would then keep the service from its port for a
// minute.
func connect(port int) (io.ReadWriteCloser, error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	abort(uintptr(fd))
	err = syscall.Connect(fd, &syscall.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}})
	if err == syscall.EINPROGRESS {
		err = nil
	}
	local, _ := syscall.Getsockname(fd)
	if in, ok := local.(*syscall.SockaddrInet4); err == nil && ok && in.Port == port {
		err = syscall.ECONNREFUSED
	}
	if err != nil {
		syscall.Close(fd)
		return nil, os.NewSyscallError("connect", err)
	}
	return socket(fd), nil
}

func (s socket) Read(buf []byte) (int, error) {
	n, err := syscall.Read(int(s), buf)
	if err == nil && n == 0 {
		err = io.EOF
	}
	return max(n, 0), err
}

func (s socket) Write(buf []byte) (int, error) {
	n, err := syscall.Write(int(s), buf)
	return max(n, 0), err
}

func (s socket) Close() error { return syscall.Close(int(s)) }

// blocking returns the connection as a file of the runtime's poller.
func blocking(c io.ReadWriteCloser, _ int, _ time.Duration) (deadliner, error) {
	return os.NewFile(uintptr(c.(socket)), "probe"), nil
}
