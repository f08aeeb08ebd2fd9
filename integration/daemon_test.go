//go:build unix

package integration

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A Daemon is a running zrd.
type Daemon struct {
	t    testing.TB
	Home *Home
	Addr string
	Log  *Log
	Cmd  *exec.Cmd
	done chan struct{} // closed when zrd has exited
	mute chan struct{} // closed when zrd and all services have closed Log
}

// startDaemon runs zrd on a free port. At the end of the test, a zrd that still runs gets SIGTERM
// and must exit with 0.
func startDaemon(t testing.TB, h *Home, args ...string) *Daemon {
	t.Helper()
	return startCommand(t, h, daemonCommand(h, args...))
}

func daemonCommand(h *Home, args ...string) *exec.Cmd {
	return exec.Command(zrdPath, append([]string{"-home", h.Dir, "-addr", "127.0.0.1:0"}, args...)...)
}

// startCommand is startDaemon for another command line.
func startCommand(t testing.TB, h *Home, cmd *exec.Cmd) *Daemon {
	t.Helper()
	d := launch(t, h, cmd)
	d.WaitListening()
	return d
}

// launch is startCommand for a zrd that may never listen.
func launch(t testing.TB, h *Home, cmd *exec.Cmd) *Daemon {
	t.Helper()
	d := &Daemon{t: t, Home: h, Log: &Log{}, Cmd: cmd, done: make(chan struct{}), mute: make(chan struct{})}
	// The services share this pipe. With a pipe of cmd, Wait would wait for them.
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	go func() {
		defer close(d.mute)
		io.Copy(d.Log, r)
	}()
	go func() {
		defer close(d.done)
		cmd.Wait()
	}()
	t.Cleanup(func() {
		defer r.Close()
		if !d.exited() {
			d.Signal(syscall.SIGCONT)
			d.Signal(syscall.SIGTERM)
			d.WaitExit(0)
		}
		if t.Failed() {
			t.Logf("the daemon's log:\n%s", d.Log)
		}
	})
	return d
}

// WaitListening waits until zrd says where it listens.
func (d *Daemon) WaitListening() {
	d.t.Helper()
	eventually(d.t, "the address in the log", func() bool {
		d.Addr = address(d.Log.String())
		return d.Addr != ""
	})
}

var firstAddress = regexp.MustCompile(`(?m)^daemon: .* (\S+:\d+)$`)

// address returns the first address in a log. That is where zrd listens.
func address(log string) string {
	if match := firstAddress.FindStringSubmatch(log); match != nil {
		return match[1]
	}
	return ""
}

func (d *Daemon) Pid() int { return d.Cmd.Process.Pid }

func (d *Daemon) Signal(sig syscall.Signal) { syscall.Kill(d.Pid(), sig) }

func (d *Daemon) exited() bool {
	select {
	case <-d.done:
		return true
	default:
		return false
	}
}

// WaitExit waits for the daemon to exit with this status (-1: by a signal).
func (d *Daemon) WaitExit(status int) {
	d.t.Helper()
	select {
	case <-d.done:
	case <-time.After(limit):
		d.Cmd.Process.Kill()
		d.t.Fatalf("the daemon did not exit; its log:\n%s", d.Log)
	}
	if got := d.Cmd.ProcessState.ExitCode(); got != status {
		d.t.Errorf("the daemon exited with %d, want %d", got, status)
	}
}

// Kill sends SIGKILL to zrd and waits for its end.
func (d *Daemon) Kill() {
	d.t.Helper()
	d.Signal(syscall.SIGKILL)
	d.WaitExit(-1)
}

// Ask sends one line and returns the whole answer.
func (d *Daemon) Ask(line string) string {
	d.t.Helper()
	answer, err := ask(d.Addr, line+"\n")
	if err != nil {
		d.t.Fatalf("%s: %v", line, err)
	}
	return answer
}

// Start, Stop and Status make the requests with these names.
func (d *Daemon) Start(name string) string {
	d.t.Helper()
	return d.Ask(fmt.Sprintf(`{"request":"start-service","name":%q}`, name))
}

func (d *Daemon) Stop(name string) string {
	d.t.Helper()
	return d.Ask(fmt.Sprintf(`{"request":"stop-service","name":%q}`, name))
}

func (d *Daemon) Status() string {
	d.t.Helper()
	return d.Ask(`{"request":"status"}`)
}

// MustPing, MustStop and MustStart are requests that must succeed.
func (d *Daemon) MustPing() {
	d.t.Helper()
	want(d.t, "ping", d.Ask(`{"request":"ping"}`), okLine)
}

func (d *Daemon) MustStop(name string) {
	d.t.Helper()
	want(d.t, "the stop of "+name, d.Stop(name), okLine)
}

// MustStart starts a service that must get healthy.
func (d *Daemon) MustStart(name string, port int) {
	d.t.Helper()
	want(d.t, "the start of "+name, d.Start(name), portLine(port))
}

// WaitStatus waits until the status reply holds entry.
func (d *Daemon) WaitStatus(entry string) {
	d.t.Helper()
	eventually(d.t, "status with "+entry, func() bool { return strings.Contains(d.Status(), entry) })
}

// WaitLog waits until the log holds text.
func (d *Daemon) WaitLog(text string) {
	d.t.Helper()
	eventually(d.t, fmt.Sprintf("%q in the log", text), func() bool { return strings.Contains(d.Log.String(), text) })
}

// A result is what a program printed, and its exit status.
type result struct {
	out, errs string
	exit      int
}

// run runs a program to its end. Any goroutine may call it.
func run(t testing.TB, cmd *exec.Cmd) result {
	t.Helper()
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	var exit *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &exit) {
		t.Error(err)
		return result{exit: -1}
	}
	return result{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
}

// ctl runs zrctl.
func ctl(t testing.TB, args ...string) result {
	t.Helper()
	return run(t, exec.Command(zrctlPath, args...))
}

// Ctl runs zrctl for the daemon and its home.
func (d *Daemon) Ctl(args ...string) result {
	d.t.Helper()
	return d.CtlWith("ZR_HOME="+d.Home.Dir, args...)
}

// CtlWith runs zrctl for the daemon, with one more environment variable.
func (d *Daemon) CtlWith(variable string, args ...string) result {
	d.t.Helper()
	cmd := exec.Command(zrctlPath, append([]string{"-addr", d.Addr}, args...)...)
	cmd.Env = append(os.Environ(), variable)
	return run(d.t, cmd)
}

// CtlAsync runs zrctl in a goroutine, and returns a channel for what it prints.
func (d *Daemon) CtlAsync(args ...string) <-chan string {
	out := make(chan string, 1)
	go func() { out <- d.Ctl(args...).out }()
	return out
}

// ask connects, sends input, closes its half of the connection and reads the answer.
func ask(addr, input string) (string, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(limit))
	if _, err := io.WriteString(conn, input); err != nil {
		return "", err
	}
	conn.(*net.TCPConn).CloseWrite()
	answer, err := io.ReadAll(conn)
	return string(answer), err
}
