//go:build unix

package process

import (
	"os"
	"strconv"
	"syscall"
)

// send signals the group, and also the leader if it has moved to another group. That other group is
// not signalled, as it may be the daemon's. SIGCONT follows SIGTERM, because a stopped process acts
// on no other signal but SIGKILL.
func (p *Process) send(sig syscall.Signal) {
	pid := p.Pid()
	syscall.Kill(-pid, sig)
	if group, err := syscall.Getpgid(pid); err == nil && group != pid {
		syscall.Kill(pid, sig)
	}
	if sig == syscall.SIGTERM {
		p.send(syscall.SIGCONT)
	}
}

// groupLives reports whether a group whose leader was reaped has a process left.
func groupLives(group int) bool {
	return syscall.Kill(-group, 0) != syscall.ESRCH && groupHasLiving(group)
}

// closeOnExec sets close-on-exec on the descriptors that the daemon inherited, except the first
// three. Go sets it on those that it opens.
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
