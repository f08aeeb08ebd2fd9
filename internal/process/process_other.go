//go:build unix && !linux

package process

import "syscall"

func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// These systems give the standard library no way to see another's mask and dispositions; what the
// daemon inherited, its services inherit.
func ownThread()    {}
func catchIgnored() {}

// groupHasLiving cannot know zombies here: a process counts until init has reaped it.
func groupHasLiving(int) bool { return true }

func (p *Process) alone() bool { return !groupLives(p.Pid()) }
