package process

import (
	"os"
	"runtime"
	"strings"
	"syscall"
	"unsafe"
)

// resetSignals unblocks all signals on this thread and ignores none. The program that is executed
// next would inherit both.
func resetSignals() {
	setmask, size := uintptr(2), uintptr(8) // SIG_SETMASK, and the size of the kernel's signal sets
	if strings.HasPrefix(runtime.GOARCH, "mips") {
		setmask, size = 3, 16
	}
	var zero [64]byte // the empty set, and the kernel's sigaction with SIG_DFL, on any processor
	for n := uintptr(1); n <= 8*size; n++ {
		syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, n, uintptr(unsafe.Pointer(&zero)), 0, size, 0, 0)
	}
	syscall.RawSyscall6(syscall.SYS_RT_SIGPROCMASK, setmask, uintptr(unsafe.Pointer(&zero)), 0, size, 0, 0)
}

// awaitExit waits until the leader is a zombie, and returns nil. If there is a pidfd, the goroutine
// waits in the runtime's poller; if not, it keeps a thread.
func (p *Process) awaitExit() *os.ProcessState {
	const pidfdOpen = 434 // on every processor
	if fd, _, errno := syscall.Syscall(pidfdOpen, uintptr(p.Pid()), 0, 0); errno == 0 {
		syscall.SetNonblock(int(fd), true) // the poller needs that
		f := os.NewFile(fd, "pidfd")
		defer f.Close()
		conn, err := f.SyscallConn()
		if err == nil && conn.Read(func(uintptr) bool { return p.Exited() }) == nil {
			return nil
		}
	}
	for !isZombie(p.Pid(), 0) { // interrupted
	}
	return nil
}

// Exited reports whether the leader has exited and has not been reaped.
func (p *Process) Exited() bool { return isZombie(p.Pid(), syscall.WNOHANG) }

// isZombie reports whether a child has exited, without reaping it. Without WNOHANG it waits for the
// exit.
func isZombie(pid, options int) bool {
	const byPid = 1
	var info [128]byte // siginfo_t; all zero if no child has exited
	options |= syscall.WEXITED | syscall.WNOWAIT
	_, _, errno := syscall.Syscall6(syscall.SYS_WAITID, byPid, uintptr(pid),
		uintptr(unsafe.Pointer(&info)), uintptr(options), 0, 0)
	return errno == 0 && info != [128]byte{} || errno == syscall.ECHILD
}

// onNoexec reports whether the file system of path is mounted noexec.
func onNoexec(path string) bool {
	const noexec = 8 // ST_NOEXEC
	var fs syscall.Statfs_t
	return syscall.Statfs(path, &fs) == nil && fs.Flags&noexec != 0
}
