//go:build unix && !linux

package process

import "syscall"

func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// On these systems the standard library cannot change the signal mask, nor find the signals that
// are ignored. Services inherit both from the daemon.
func ownThread()    {}
func catchIgnored() {}

// groupHasLiving cannot tell zombies here, so a process counts until init has reaped it.
func groupHasLiving(int) bool { return true }

func (p *Process) alone() bool { return !groupLives(p.Pid()) }
