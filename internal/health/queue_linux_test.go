package health

import (
	"fmt"
	"net"
	"syscall"
	"testing"
	"time"
)

// The kernel tries for two minutes to connect to a service whose queue of connections is full. The
// probe ends with its timeout.
func TestProbeFullQueue(t *testing.T) {
	t.Parallel()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	port := name.(*syscall.SockaddrInet4).Port
	for { // until the queue is full
		conn, err := net.DialTimeout("tcp4", fmt.Sprintf("127.0.0.1:%d", port), 200*time.Millisecond)
		if err != nil {
			break
		}
		defer conn.Close()
	}
	want(t, probe(t.Context(), port, "/", 100*time.Millisecond), "no answer to GET / within 0.1 s")
}
