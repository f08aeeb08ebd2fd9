package process

import "syscall"

func attributes() *syscall.SysProcAttr { return nil }

// Windows has neither SIGTERM nor process groups. Kill is TerminateProcess, which does not reach
// grandchildren.
func terminate(p *Process) { p.leader.Kill() }
func kill(p *Process)      { p.leader.Kill() }

func groupLives(int) bool      { return false }
func ownThread()               {}
func catchIgnored()            {}
func closeOnExec()             {}
func (p *Process) alone() bool { return true }
