package main

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"unsafe"
)

// "fake careless PROGRAM ARGS…" becomes PROGRAM the way a careless parent
// starts it: with signals ignored, all others blocked, and descriptors left open.
func init() {
	if len(os.Args) < 3 || os.Args[1] != "careless" {
		return
	}
	runtime.LockOSThread()
	signal.Ignore(syscall.SIGHUP, syscall.SIGPIPE, syscall.SIGQUIT, syscall.SIGUSR2, syscall.SIGTERM, syscall.Signal(40))
	ignoreRaw(34)
	setMask, setSize, _ := signalSet()
	all := [2]uint64{^uint64(0), ^uint64(0)}
	syscall.RawSyscall6(syscall.SYS_RT_SIGPROCMASK, setMask, uintptr(unsafe.Pointer(&all)), 0, setSize, 0, 0)
	for range 3 {
		syscall.Open("/dev/zero", syscall.O_RDWR, 0)
	}
	syscall.Dup3(1, 99, 0)
	fmt.Fprintln(os.Stderr, syscall.Exec(os.Args[2], os.Args[2:], os.Environ()))
	os.Exit(97)
}

// ignoreRaw ignores a signal that Go leaves alone.
func ignoreRaw(n int) {
	_, setSize, handler := signalSet()
	var action [8]uintptr
	action[handler] = 1 // SIG_IGN
	syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(n), uintptr(unsafe.Pointer(&action)), 0, setSize, 0, 0)
}

// signalSet returns SIG_SETMASK, the size of the kernel's set of signals, and which word of its sigaction is the
// handler: MIPS has its own.
func signalSet() (setMask, size uintptr, handler int) {
	if strings.HasPrefix(runtime.GOARCH, "mips") {
		return 3, 16, 1
	}
	return 2, 8, 0
}
