package main

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
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
	const setMask = 2 // SIG_SETMASK
	all := ^uint64(0)
	syscall.RawSyscall6(syscall.SYS_RT_SIGPROCMASK, setMask, uintptr(unsafe.Pointer(&all)), 0, unsafe.Sizeof(all), 0, 0)
	for range 3 {
		syscall.Open("/dev/zero", syscall.O_RDWR, 0)
	}
	syscall.Dup3(1, 99, 0)
	fmt.Fprintln(os.Stderr, syscall.Exec(os.Args[2], os.Args[2:], os.Environ()))
	os.Exit(97)
}

// ignoreRaw ignores a signal that Go leaves alone.
func ignoreRaw(n int) {
	action := [8]uintptr{1} // SIG_IGN
	syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(n), uintptr(unsafe.Pointer(&action)), 0, 8, 0, 0)
}
