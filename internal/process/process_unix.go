//go:build unix

package process

import (
	"os"
	"strconv"
	"syscall"
)

func terminate(p *Process) { signalGroup(p.Pid(), syscall.SIGTERM) }
func kill(p *Process)      { signalGroup(p.Pid(), syscall.SIGKILL) }

// signalGroup signals the group, and the leader by itself if it has moved to another one. (That
// other group is not signalled: it may be the daemon's own.)
func signalGroup(pid int, sig syscall.Signal) {
	syscall.Kill(-pid, sig)
	if group, err := syscall.Getpgid(pid); err == nil && group != pid {
		syscall.Kill(pid, sig)
	}
}

// groupLives reports whether any process is left in a group without its leader.
func groupLives(group int) bool {
	return syscall.Kill(-group, 0) != syscall.ESRCH && groupHasLiving(group)
}

// closeOnExec marks what the daemon inherited beyond the three: Go does so for what it opens
// itself.
func closeOnExec() {
	entries, err := os.ReadDir("/dev/fd")
	if err != nil {
		return
	}
	for _, e := range entries {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd > 2 {
			syscall.CloseOnExec(fd)
		}
	}
}
