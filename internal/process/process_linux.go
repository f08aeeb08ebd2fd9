package process

import (
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"unsafe"
)

// sigset returns the kernel's SIG_SETMASK and the size of its signal sets.
func sigset() (setmask, size uintptr) {
	if strings.HasPrefix(runtime.GOARCH, "mips") {
		return 3, 16
	}
	return 2, 8
}

// ownThread locks the calling goroutine to its thread and unblocks all signals on it. A child
// inherits the signal mask of the thread that forks it, and the daemon's parent may have blocked
// some.
func ownThread() {
	runtime.LockOSThread()
	var none [16]byte
	how, size := sigset()
	syscall.RawSyscall6(syscall.SYS_RT_SIGPROCMASK, how, uintptr(unsafe.Pointer(&none)), 0, size, 0, 0)
}

// catchIgnored receives and drops the signals that this process was started to ignore (by nohup,
// for example). A service would inherit an ignored signal across exec, but not a handler.
func catchIgnored() {
	status, _ := os.ReadFile("/proc/self/status")
	_, rest, _ := strings.Cut(string(status), "\nSigIgn:\t")
	line, _, _ := strings.Cut(rest, "\n")
	mask, _ := strconv.ParseUint(line[max(len(line)-16, 0):], 16, 64)
	for n := 1; n <= 64; n++ {
		switch {
		case mask&(1<<(n-1)) == 0:
		case n >= 32 && n <= 34: // package signal leaves these to C libraries
			var action [64]byte // the kernel's sigaction on any processor; zero is SIG_DFL
			_, size := sigset()
			syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(n),
				uintptr(unsafe.Pointer(&action)), 0, size, 0, 0)
		default:
			signal.Notify(make(chan os.Signal, 1), syscall.Signal(n))
		}
	}
}

// awaitExit waits until the leader is a zombie, and returns nil. If there is a pidfd, the goroutine
// waits in the runtime's poller; if not, it keeps a thread.
func (p *Process) awaitExit() *os.ProcessState {
	const pidfdOpen = 434 // on every processor
	if fd, _, errno := syscall.Syscall(pidfdOpen, uintptr(p.Pid()), 0, 0); errno == 0 {
		syscall.SetNonblock(int(fd), true) // the poller takes no other
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
