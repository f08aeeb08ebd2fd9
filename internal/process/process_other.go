//go:build unix && !linux

package process

import "syscall"

func (p *Process) attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// These systems give the standard library no way to see another's mask and
// dispositions; what the daemon inherited, its services inherit.
func ownThread()    {}
func catchIgnored() {}

// onlyZombies cannot be known here: what is left of a group counts until init has reaped it.
func onlyZombies(int) bool { return false }
