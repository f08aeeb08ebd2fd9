package integration

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"unsafe"
)

// A stall holds each process that is about to execute a program, like a disk that does not answer
// (fanotify(7)).
type stall struct {
	t   *testing.T
	fan *os.File
}

func newStall(t *testing.T, program string) *stall {
	t.Helper()
	if strconv.IntSize == 32 {
		t.Skip("the mask of fanotify_mark takes two arguments here")
	}
	const classContent, nonblock, cloexec = 4, 2, 1
	fd, _, errno := syscall.Syscall(syscall.SYS_FANOTIFY_INIT, classContent|nonblock|cloexec, syscall.O_RDONLY, 0)
	if errno != 0 {
		t.Skipf("cannot hold a program that is about to be executed: %v", errno)
	}
	s := &stall{t, os.NewFile(fd, "fanotify")}
	t.Cleanup(func() { s.fan.Close() }) // lets all processes go
	const add, openExecPerm = 1, 0x40000
	path, _ := syscall.BytePtrFromString(program)
	_, _, errno = syscall.Syscall6(syscall.SYS_FANOTIFY_MARK, fd, add, openExecPerm, ^uintptr(0), uintptr(unsafe.Pointer(path)), 0)
	if errno != 0 {
		t.Skipf("cannot hold a program that is about to be executed: %v", errno)
	}
	return s
}

// wait waits until a process is held, and returns a number for letGo.
func (s *stall) wait() (held uint32) {
	s.t.Helper()
	event := make([]byte, 24) // length, version, reserved, length of this, mask, descriptor, pid
	if n, err := s.fan.Read(event); err != nil || n != len(event) {
		s.t.Fatalf("fanotify: %d bytes, %v", n, err)
	}
	return binary.NativeEndian.Uint32(event[16:])
}

func (s *stall) letGo(held uint32) {
	const allow = 1
	var response bytes.Buffer
	binary.Write(&response, binary.NativeEndian, []uint32{held, allow})
	s.fan.Write(response.Bytes())
	syscall.Close(int(held))
}

// While the disk with one program does not answer, clients, other services and the end of the
// daemon do not wait for it.
func TestStalledExec(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	hung, kv := h.Install("hung", Behaviour{}, `start-timeout = "1h"`), h.Install("kv", Behaviour{})
	program, err := os.ReadFile(fakePath)
	if err != nil {
		t.Fatal(err)
	}
	replace(t, filepath.Join(h.folder("hung"), "fake"), string(program), 0o755) // not a link to the program of all tests
	s := newStall(t, filepath.Join(h.folder("hung"), "fake"))
	d := startDaemon(t, h)
	reply := d.CtlAsync("-timeout", "1h", "start", "hung")
	held := s.wait()
	for range 20 {
		d.MustPing()
	}
	d.MustStart("kv", kv)
	d.Crash("kv")
	want(t, "status", d.Status(), statusLine(entry("hung", hung, "starting"), entry("kv", kv, "running")))
	d.MustStop("kv")
	s.letGo(held)
	want(t, "the start", <-reply, portLine(hung))
	d.MustStop("hung")
	go d.Ctl("start", "hung")
	s.wait()
	d.Signal(syscall.SIGTERM)
	d.WaitExit(0)
}
