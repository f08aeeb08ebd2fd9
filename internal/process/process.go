// Package process is the only code that starts, signals and reaps
// operating-system processes. Each process leads a group of its own, and is
// waited for exactly once; when it exits, what is left of its group is killed
// with it.
//
// What differs between systems:
//
//   - Linux: a service dies with the daemon, however the daemon dies, by the
//     parent-death signal; waiting costs neither thread nor goroutine, by pidfds.
//   - Other Unixes, darwin among them: groups, but nothing that ties a service to a daemon that is
//     killed with SIGKILL; a thread waits for each process.
//   - Windows: no groups and no SIGTERM: Terminate ends the process itself at once.
package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// A Starter starts processes. All that it starts have the null device for
// standard input, the daemon's environment less the variables that its own
// manager meant for it alone, no signal blocked or ignored, and no descriptor beyond
// the three.
type Starter struct {
	stdout, stderr *os.File
	env            []string
	jobs           chan func()
	exits          *exits
}

// managerVars are the variables of systemd's notification, watchdog and socket
// activation protocols: a service that took them for its own would report for the
// daemon.
var managerVars = []string{"NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC",
	"LISTEN_PID", "LISTEN_PIDFDID", "LISTEN_FDS", "LISTEN_FDNAMES"}

// NewStarter returns a Starter whose processes have the given standard output (nil is the null device) and
// standard error. It is meant to live as long as the program, and changes the
// program's own state for good: descriptors that were inherited are closed on exec, and
// signals that were ignored are received and dropped instead.
func NewStarter(stdout, stderr *os.File) *Starter {
	s := &Starter{stdout: stdout, stderr: stderr, env: []string{}, jobs: make(chan func()), exits: newExits()}
	for _, v := range os.Environ() {
		if !isManagerVar(v) {
			s.env = append(s.env, v)
		}
	}
	closeOnExec()
	catchIgnored()
	go s.run()
	return s
}

func isManagerVar(v string) bool {
	for _, name := range managerVars {
		if strings.HasPrefix(v, name+"=") {
			return true
		}
	}
	return false
}

// run starts all processes on one thread that never ends: on Linux the
// parent-death signal is sent when the thread that forked dies, not the process.
func (s *Starter) run() {
	ownThread()
	for job := range s.jobs {
		job()
	}
}

// Start runs the program at path. The caller must call OnExit, once.
func (s *Starter) Start(path string, args ...string) (*Process, error) {
	cmd := exec.Command(path, args...)
	cmd.Env = s.env
	if s.stdout != nil { // a nil *os.File in an interface is not nil
		cmd.Stdout = s.stdout
	}
	cmd.Stderr = s.stderr
	p := &Process{exits: s.exits}
	cmd.SysProcAttr = p.attributes()
	done := make(chan error)
	s.jobs <- func() { done <- cmd.Start() }
	if err := <-done; err != nil {
		return nil, explain(path, err)
	}
	p.leader = cmd.Process
	return p, nil
}

// explain says of a program that is there what is not found, and why it is not permitted.
func explain(path string, err error) error {
	var wrapped *fs.PathError
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	st, serr := os.Stat(path)
	switch {
	case serr != nil:
	case errors.Is(err, fs.ErrNotExist):
		err = fmt.Errorf("%w: the interpreter or loader that it names", err)
	case errors.Is(err, fs.ErrPermission) && st.IsDir():
		err = fmt.Errorf("%w: it is a folder", err)
	case errors.Is(err, fs.ErrPermission) && st.Mode()&0o111 == 0:
		err = fmt.Errorf("%w: it is not executable (chmod +x)", err)
	}
	return fmt.Errorf("%s: %w", path, err)
}

// A Process is one started process, the leader of its group.
type Process struct {
	leader *os.Process      // the exec.Cmd that started it is not kept: half a kilobyte
	state  *os.ProcessState // how it exited
	exits  *exits
	pidfd  int // -1 where there is none

	mu     sync.Mutex // guards the group's number: no signal once reaped is set
	reaped bool
}

// Pid is the process id, and the id of the group.
func (p *Process) Pid() int { return p.leader.Pid }

// Terminate asks the whole group to end (SIGTERM). Kill forces it to
// (SIGKILL). Both may be called at any time and from any goroutine; after the
// leader has been reaped they do nothing, as its number may be somebody
// else's by then.
func (p *Process) Terminate() { p.signal(terminate) }

// Kill: see Terminate.
func (p *Process) Kill() { p.signal(kill) }

func (p *Process) signal(send func(*Process)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.reaped {
		send(p)
	}
}

// settle bounds the wait for the rest of a killed group. Those are children of init by
// then: dying takes them microseconds, being reaped is up to init.
const settle = 500 * time.Millisecond

// OnExit has tell called, from a goroutine of its own, when the process has exited and nothing
// is left of its group, with how it exited ("exit status 1", "signal: killed"). It must
// be called exactly once.
func (p *Process) OnExit(tell func(how string)) {
	if !p.exits.await(p.pidfd, func() { p.reap(); p.report(tell) }) {
		go func() { p.reapAfterwards(); p.report(tell) }()
	}
}

// reap is for a process that has exited. While the zombie still keeps its number from being used
// again, it kills the rest of the group.
func (p *Process) reap() {
	p.mu.Lock()
	defer p.mu.Unlock()
	kill(p)
	p.state, _ = p.leader.Wait()
	p.reaped = true
}

// reapAfterwards waits where the system cannot wait without reaping: for a
// moment the number of the group is free while it is still to be killed.
func (p *Process) reapAfterwards() {
	p.state, _ = p.leader.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.reaped = true
	kill(p)
}

// report waits for the end of the killed group.
func (p *Process) report(tell func(how string)) {
	for limit := time.Now().Add(settle); groupLives(p.Pid()) && time.Now().Before(limit); {
		time.Sleep(time.Millisecond)
	}
	tell(p.state.String())
}
