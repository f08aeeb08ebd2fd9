package process

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// A stage is a process between zrd and a service. A fork in Go holds a processor and a lock of the
// runtime until the new process has executed its program, which can take hours if the disk does not
// answer. So zrd executes itself, as its own program is in memory, and only the stage waits for the
// disk when it executes the service. It reports through a pipe, which is closed on exec: a byte
// before it executes the program, and the reason if that fails. Until then its standard error is
// the null device, as Go's runtime prints pages when it cannot make a thread.
const (
	stageName   = "zrd-stage"
	stagePipe   = 3 // descriptors
	stageOut    = 4 // the service's standard output
	stageErr    = 5
	stageReady  = "+"
	prSetParent = 1 // PR_SET_PDEATHSIG
)

// Stage does not return if this process was started as a stage. A program that uses a Starter must
// call it first.
func Stage() {
	if len(os.Args) < 5 || os.Args[0] != stageName {
		return
	}
	runtime.LockOSThread() // the thread that sets the parent-death signal must execute the program
	resetSignals()         // now: exec ends the other threads, one of which may be handling a SIGTERM
	for fd := stagePipe; fd <= stageErr; fd++ {
		syscall.CloseOnExec(fd)
	}
	pipe := os.NewFile(stagePipe, "stage")
	fmt.Fprint(pipe, execute(pipe, os.Args[1], os.Args[2], os.Args[3], os.Args[4:]))
	os.Exit(1)
}

// execute becomes the service. It returns only if that fails.
func execute(pipe io.Writer, parent, dir, log string, argv []string) error {
	_, _, errno := syscall.RawSyscall(syscall.SYS_PRCTL, prSetParent, uintptr(syscall.SIGKILL), 0)
	if errno != 0 {
		return fmt.Errorf("cannot tie the service to the daemon (PR_SET_PDEATHSIG): %w", errno)
	}
	if strconv.Itoa(os.Getppid()) != parent { // the daemon died before the signal was set
		os.Exit(1)
	}
	if err := os.Chdir(dir); err != nil {
		return err
	}
	stdout, stderr := stageOut, stageErr
	if log != "" {
		f, err := openLog(log)
		if err != nil {
			return err
		}
		defer f.Close()
		stdout, stderr = int(f.Fd()), int(f.Fd())
	}
	if err := cmp.Or(syscall.Dup3(stdout, 1, 0), syscall.Dup3(stderr, 2, 0)); err != nil {
		return err
	}
	io.WriteString(pipe, stageReady)
	return explain(argv[0], syscall.Exec(argv[0], argv, os.Environ()))
}

// self returns the path of the daemon's program, even after an upgrade has replaced its file.
var self = sync.OnceValue(func() string {
	const link = "/proc/self/exe"
	if _, err := os.Stat(link); err == nil {
		return link
	}
	path, _ := exec.LookPath(os.Args[0]) // without /proc
	return path
})

// fork starts the stage of a service, in a cgroup if possible.
func (s *Starter) fork(c Command) (*Process, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer w.Close()
	daemon := strconv.Itoa(os.Getpid())
	argv := append([]string{stageName, daemon, c.Dir, s.logOf(c.Name), c.Path}, c.Args...)
	attr := &os.ProcAttr{Env: s.env, Files: []*os.File{s.null, s.null, s.null, w, s.stdout, s.stderr}}
	began := time.Now()
	p := &Process{executed: sync.OnceValue(func() error {
		err := stageReport(r)
		took, shortest := int64(time.Since(began)), s.lead.Load()
		if err == nil && (shortest == 0 || took < shortest) {
			s.lead.Store(took)
		}
		return err
	})}
	p.leader, p.cgroup, err = s.cgroups.start(c.Name, func(sys *syscall.SysProcAttr) (*os.Process, error) {
		sys.Setpgid = true
		attr.Sys = sys
		return os.StartProcess(self(), argv, attr)
	})
	if err != nil {
		r.Close()
		return nil, err
	}
	return p, nil
}

// stageReport waits until a stage has executed its program, and returns nil, or why it could not.
func stageReport(r *os.File) error {
	defer r.Close()
	text, _ := io.ReadAll(io.LimitReader(r, 4<<10))
	switch why, ready := strings.CutPrefix(string(text), stageReady); {
	case why != "":
		return errors.New(why)
	case !ready:
		return errors.New("its process ended before it could execute the program: processes or memory may have run out")
	}
	return nil
}
