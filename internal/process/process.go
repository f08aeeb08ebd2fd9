// Package process is the only code that starts, signals, reaps and contains operating-system
// processes. Each service is a process that leads a group of its own, and is waited for once.
//
// What differs between systems:
//
//   - Linux: a service dies with the daemon, even if the daemon gets SIGKILL (parent-death signal).
//     Each wait costs a goroutine (pidfd). Where zrd may create cgroups, each service has one, and
//     every process in it ends with the service.
//   - Other Unixes, darwin among them: there are groups, but a service outlives a daemon that gets
//     SIGKILL. Each wait costs a thread.
//   - Windows: there are neither groups nor SIGTERM. Terminate ends the process itself at once.
package process

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// A Starter starts processes. They get the null device for standard input, the daemon's environment
// without managerVars, no signal blocked or ignored, and no descriptor beyond the three.
type Starter struct {
	null, stdout, stderr *os.File
	logs                 string // folder of the services' logs; "": there are none
	env                  []string
	jobs                 chan func()
	cgroups              *cgroups // nil: process groups only
	lead                 atomic.Int64
}

// managerVars are the variables of systemd's notification, watchdog and socket activation
// protocols. A service that obeyed them would report for the daemon.
var managerVars = []string{"NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC",
	"LISTEN_PID", "LISTEN_PIDFDID", "LISTEN_FDS", "LISTEN_FDNAMES"}

// NewStarter returns a Starter whose processes have the given standard output (nil is the null
// device) and standard error or, if logs is not empty, append both to the file logs/NAME.log. It
// lives as long as the program, whose inherited descriptors it makes close on exec.
func NewStarter(stdout, stderr *os.File, logs string) (*Starter, error) {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("services need the null device: %w", err)
	}
	if stdout == nil {
		stdout = null
	}
	env := slices.DeleteFunc(os.Environ(), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return slices.Contains(managerVars, name)
	})
	closeOnExec()
	s := &Starter{
		null: null, stdout: stdout, stderr: stderr, logs: logs, env: env, jobs: make(chan func()),
	}
	go s.run()
	return s, nil
}

// run starts all processes on one thread that never ends: on Linux the parent-death signal is sent
// when the thread that forked ends.
func (s *Starter) run() {
	runtime.LockOSThread()
	for job := range s.jobs {
		job()
	}
}

// A Command is what Start runs.
type Command struct {
	Name string   // of the service: names its log and its cgroup
	Dir  string   // the working directory
	Path string   // of the program
	Args []string // without the program's name
}

// Start runs a command. It returns as soon as there is a process. Executed reports later whether
// the program could be executed. The caller must call Wait, once.
func (s *Starter) Start(c Command) (p *Process, err error) {
	done := make(chan struct{})
	s.jobs <- func() {
		p, err = s.fork(c)
		close(done)
	}
	<-done
	return p, err
}

// maxLead bounds Lead: on a busy machine even the shortest start may have taken long.
const maxLead = 20 * time.Millisecond

// Lead returns the shortest time that a program took from Start until it was executed, or 0 if none
// was executed yet. It is at most maxLead.
func (s *Starter) Lead() time.Duration { return min(time.Duration(s.lead.Load()), maxLead) }

// logOf returns the path of a service's log, or "" if services have none.
func (s *Starter) logOf(name string) string {
	if s.logs == "" {
		return ""
	}
	return filepath.Join(s.logs, name+".log")
}

func openLog(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640)
}

// explain adds to the error of an exec which file was not found or may not be executed, and why.
func explain(path string, err error) error {
	var wrapped *fs.PathError
	if errors.As(err, &wrapped) {
		err = wrapped.Err
	}
	st, serr := os.Stat(path)
	_, unusable := exec.LookPath(path)
	switch {
	case serr != nil:
	case errors.Is(err, fs.ErrNotExist):
		err = fmt.Errorf("%w: the interpreter or loader that it names", err)
	case errors.Is(err, fs.ErrPermission) && st.IsDir():
		err = fmt.Errorf("%w: it is a folder", err)
	case errors.Is(err, fs.ErrPermission) && !st.Mode().IsRegular():
		err = fmt.Errorf("%w: it is not a regular file", err)
	case errors.Is(err, fs.ErrPermission) && unusable == nil:
		err = fmt.Errorf("%w: its mode allows it, but the interpreter or loader that it names,"+
			" or a policy, does not", err)
	case errors.Is(err, fs.ErrPermission) && st.Mode()&0o111 == 0:
		err = fmt.Errorf("%w: it is not executable (chmod +x)", err)
	case errors.Is(err, fs.ErrPermission) && onNoexec(path):
		err = fmt.Errorf("%w: its file system is mounted noexec", err)
	}
	return fmt.Errorf("%s: %w", path, err)
}

// A Process is one started process, the leader of its group.
type Process struct {
	leader        *os.Process
	cgroup        *cgroup // nil: none
	executed      func() error
	asked, killed atomic.Bool // Terminate, Kill was called

	mu     sync.Mutex // held for each signal, which must not follow the reaping
	reaped bool
}

// Pid returns the process id, which is also the id of the group.
func (p *Process) Pid() int { return p.leader.Pid }

// Executed waits until the program runs. If it cannot run, Executed returns why, and the process
// ends by itself.
func (p *Process) Executed() error { return p.executed() }

// Terminate sends SIGTERM and SIGCONT to the whole group. It may be called at any time and from any
// goroutine. After the leader has been reaped it does nothing, as another process may have its
// number.
func (p *Process) Terminate() {
	p.asked.Store(true)
	p.signal(syscall.SIGTERM)
}

// Kill sends SIGKILL as Terminate sends SIGTERM, and kills every process in the cgroup, if there is
// one.
func (p *Process) Kill() {
	p.killed.Store(true)
	p.signal(syscall.SIGKILL)
	p.cgroup.kill()
}

func (p *Process) signal(sig syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.reaped {
		p.send(sig)
	}
}

// Wait returns once the process, its group and its cgroup are gone. It says how the process exited
// ("exit status 1", "signal: killed"). When the process exits by itself, Wait kills the rest at
// once. After Terminate the rest of the group may go on until Kill. Meanwhile the leader stays a
// zombie, so that no other process gets the group's number.
func (p *Process) Wait() (how string) {
	p.executed()
	state := p.awaitExit()
	poll(func() bool { return !p.asked.Load() || p.killed.Load() || p.alone() })
	if reaped := p.reap(); reaped != nil {
		state = reaped
	}
	poll(func() bool { return !groupLives(p.Pid()) })
	poll(p.cgroup.ended)
	p.cgroup.remove()
	return state.String()
}

// poll returns once done reports true.
func poll(done func() bool) {
	for pause := time.Millisecond; !done(); pause = min(2*pause, 50*time.Millisecond) {
		time.Sleep(pause)
	}
}

// reap kills the rest of the group while the zombie still keeps its number, then reaps the zombie.
func (p *Process) reap() *os.ProcessState {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.send(syscall.SIGKILL)
	state, _ := p.leader.Wait()
	p.reaped = true
	return state
}
