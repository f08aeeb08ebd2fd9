//go:build !linux

package process

import (
	"errors"
	"os"
)

// Stage does nothing: there are stages on Linux only.
func Stage() {}

// fork starts a process, which inherits the signals that the daemon blocks or ignores.
func (s *Starter) fork(c Command) (*Process, error) {
	files := []*os.File{s.null, s.stdout, s.stderr}
	if path := s.logOf(c.Name); path != "" {
		log, err := openLog(path)
		if err != nil {
			return nil, err
		}
		defer log.Close()
		files[1], files[2] = log, log
	}
	leader, err := os.StartProcess(c.Path, append([]string{c.Path}, c.Args...),
		&os.ProcAttr{Dir: c.Dir, Env: s.env, Files: files, Sys: attributes()})
	if err != nil {
		return nil, explain(c.Path, err)
	}
	return &Process{leader: leader, executed: func() error { return nil }}, nil
}

// awaitExit reaps the leader, because these systems cannot wait without that. From then on the
// group's number is safe only while the group has a process.
func (p *Process) awaitExit() *os.ProcessState {
	state, _ := p.leader.Wait()
	return state
}

// Exited is not known here before Wait returns.
func (p *Process) Exited() bool { return false }

func onNoexec(string) bool { return false }

// These systems have no cgroups.
type cgroups struct{}
type cgroup struct{}

func (*Starter) Contain(func(string, ...any)) (string, error) {
	return "", errors.New("this system has no cgroups")
}
func (*Starter) Close()           {}
func (p *Process) Count() int     { return 0 }
func (p *Process) Members() []int { return []int{p.Pid()} }
func (*cgroup) kill()             {}
func (*cgroup) ended() bool       { return true }
func (*cgroup) remove()           {}
