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

func (p *Process) attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{
		Setpgid:   true,
		Pdeathsig: syscall.SIGKILL,
		PidFD:     &p.pidfd,
	}
}

// ownThread gives the calling goroutine a thread for good, and unblocks on it
// the signals that whoever started the daemon had blocked: a child inherits
// the mask of the thread that forks it.
func ownThread() {
	runtime.LockOSThread()
	const setMask = 2 // SIG_SETMASK
	var none uint64
	syscall.RawSyscall6(syscall.SYS_RT_SIGPROCMASK, setMask, uintptr(unsafe.Pointer(&none)), 0, unsafe.Sizeof(none), 0, 0)
}

// catchIgnored receives, and drops, the signals that are ignored (by nohup, or
// by a careless parent). Ignoring is inherited across exec, a handler is
// not.
func catchIgnored() {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return
	}
	_, rest, _ := strings.Cut(string(status), "\nSigIgn:\t")
	line, _, _ := strings.Cut(rest, "\n")
	mask, _ := strconv.ParseUint(line, 16, 64)
	for n := 1; n <= 64; n++ {
		switch {
		case mask&(1<<(n-1)) == 0:
		case n >= 32 && n <= 34: // C libraries use these for themselves, so that Go leaves them alone
			setDefault(n)
		default:
			signal.Notify(make(chan os.Signal, 1), syscall.Signal(n))
		}
	}
}

// setDefault undoes the ignoring of a signal.
func setDefault(n int) {
	var action [64]byte // a kernel's sigaction with SIG_DFL, on any processor
	const maskSize = 8
	syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, uintptr(n), uintptr(unsafe.Pointer(&action)), 0, maskSize, 0, 0)
}

// onlyZombies tells whether what is left of a group is dead, and waits for an init that
// takes its time to reap it.
func onlyZombies(group int) bool {
	proc, err := os.Open("/proc")
	if err != nil {
		return false
	}
	defer proc.Close()
	names, err := proc.Readdirnames(-1)
	for _, name := range names {
		if name[0] < '1' || name[0] > '9' {
			continue
		}
		stat, err := os.ReadFile("/proc/" + name + "/stat")
		if err != nil {
			continue // gone
		}
		// Behind the command, which may hold any character: state, parent, group.
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		if len(fields) > 2 && fields[2] == strconv.Itoa(group) && fields[0] != "Z" && fields[0] != "X" {
			return false
		}
	}
	return err == nil
}
