package process

import "syscall"

func attributes() *syscall.SysProcAttr { return nil }

// Windows has neither SIGTERM nor process groups. Kill is TerminateProcess, which does not reach
// grandchildren.
func (p *Process) send(syscall.Signal) { p.leader.Kill() }
func (p *Process) alone() bool         { return true }
func groupLives(int) bool              { return false }
func closeOnExec()                     {}
