//go:build unix && !linux

package process

import "syscall"

func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// groupHasLiving cannot tell zombies here, so a process counts until init has reaped it.
func groupHasLiving(int) bool { return true }

func (p *Process) alone() bool { return !groupLives(p.Pid()) }
