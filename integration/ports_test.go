//go:build linux

package integration

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// An intruder is another process that takes the port of a service. (This process would share its
// sockets with each process that it starts, for a moment.)
type intruder struct {
	cmd  *exec.Cmd
	in   io.Writer
	out  *bufio.Reader
	name string // in errors, like "pid 49 (caddy)"
}

// newIntruder returns a process that will take port on loopback, and answer every connection. If
// answer is empty, it does not answer.
func newIntruder(t *testing.T, port int, answer string) *intruder {
	t.Helper()
	cmd := exec.Command(fakePath, "take", fmt.Sprintf("127.0.0.1:%d", port), answer)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	f := &intruder{cmd: cmd, in: in, out: bufio.NewReader(out)}
	t.Cleanup(f.Close)
	f.wait(t)
	f.name = holder(cmd.Process.Pid) // it has executed its program
	return f
}

// take makes the intruder take its port as soon as it is free.
func (f *intruder) take(t *testing.T) {
	t.Helper()
	io.WriteString(f.in, "now\n")
	f.wait(t)
}

// wait waits until the intruder is ready.
func (f *intruder) wait(t *testing.T) {
	t.Helper()
	if line, err := f.out.ReadString('\n'); err != nil {
		t.Fatalf("the intruder printed %q, %v", line, err)
	}
}

func (f *intruder) Close() {
	f.cmd.Process.Kill()
	f.cmd.Wait()
}

const (
	healthyAnswer = "HTTP/1.0 200 OK\r\n\r\n"
	absentAnswer  = "HTTP/1.0 404 Not Found\r\n\r\n"
)

// holder returns a process as an error names it.
func holder(pid int) string {
	comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	return fmt.Sprintf("pid %d (%s)", pid, strings.TrimSpace(string(comm)))
}

// neverRunning fails if the status says "running" of a service before stop is called.
func neverRunning(t *testing.T, d *Daemon, name string) (stop func()) {
	t.Helper()
	ended, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-ended:
				return
			case <-time.After(2 * time.Millisecond):
			}
			status, err := ask(d.Addr, `{"request":"status"}`)
			if err == nil && strings.Contains(status, fmt.Sprintf(`"name":%q`, name)) && strings.Contains(status, `"running"`) {
				t.Errorf("%s is running: %s", name, status)
				return
			}
		}
	}()
	return func() { close(ended); <-done }
}

func heldBy(port int, who string) string { return fmt.Sprintf("port %d is held by %s", port, who) }

// An intruder takes the port after the check and before the service binds it. Neither its answers
// nor what the service does make the service healthy.
func TestPortTakenBetweenCheckAndBind(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		b      Behaviour
		answer string
	}{
		"it-stays":          {Behaviour{}, healthyAnswer},
		"it-exits":          {Behaviour{ExitIfTaken: true}, healthyAnswer},
		"it-stays-absent":   {Behaviour{}, absentAnswer},
		"it-exits-silence":  {Behaviour{ExitIfTaken: true}, ""},
		"it-stays-silence":  {Behaviour{}, ""},
		"it-never-listened": {Behaviour{ListenNever: true}, healthyAnswer},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHome(t)
			waiting := test.b
			waiting.ListenNever = true
			port := h.Install("kv", waiting)
			d := startDaemon(t, h)
			f := newIntruder(t, port, test.answer)
			stop := neverRunning(t, d, "kv")
			defer stop()
			reply := make(chan string, 1)
			go func() {
				answer, _ := ask(d.Addr, `{"request":"start-service","name":"kv"}`)
				reply <- answer
			}()
			eventually(t, "the spawn", func() bool { return h.Last("kv", "start") != 0 })
			f.take(t)
			h.Behave("kv", test.b)
			got, expect := <-reply, errorLine(heldBy(port, f.name))
			if test.b.ExitIfTaken { // either may be noticed first, the exit or the intruder
				early := strings.Replace(expect, "port ", "service 'kv' exited before it was healthy: exit status 1: port ", 1)
				if got == early {
					expect = early
				}
			}
			want(t, "the start", got, expect)
			d.WaitStatus(entry("kv", port, "failed"))
		})
	}
}

// A service whose port an intruder has taken is not healthy, even if the port answers. It is
// restarted when the port is free.
func TestPortTakenFromARunningService(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	port := h.Install("kv", Behaviour{DropAfter: 3000})
	f := newIntruder(t, port, healthyAnswer)
	held := heldBy(port, f.name)
	d := startDaemon(t, h, "-health-interval", "4s")
	d.MustStart("kv", port)
	first := h.Last("kv", "start")
	f.take(t)
	h.Behave("kv", Behaviour{})
	d.WaitError("kv", held)
	d.WaitStatus(`"starting"`)
	stop := neverRunning(t, d, "kv")
	want(t, "the next failure", d.WaitFailures("kv", 2).Why(), held)
	stop()
	f.Close()
	d.WaitBack("kv", first)
}

// An intruder takes the port between the check and the bind of a restart.
func TestPortTakenDuringARestart(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	port := h.Install("kv", Behaviour{})
	d := startDaemon(t, h)
	d.MustStart("kv", port)
	h.Behave("kv", Behaviour{ListenNever: true})
	f := newIntruder(t, port, healthyAnswer)
	h.Kill("kv")
	d.WaitStatus(`"starting"`)
	stop := neverRunning(t, d, "kv")
	eventually(t, "the restart", func() bool { return len(h.Pids("kv", "start")) == 2 })
	f.take(t)
	want(t, "the failure of the restart", d.WaitFailures("kv", 2).Why(), heldBy(port, f.name))
	stop()
	f.Close()
	h.Behave("kv", Behaviour{})
	d.WaitStatus(entry("kv", port, "running"))
}

// A child that has left the group, outlives its service and still serves is not taken for the
// service. (With cgroups it would be ended.)
func TestLeftoverServes(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	port := h.Install("kv", Behaviour{GrandchildServes: true, ChildLeaves: true})
	d := startWithoutCgroups(t, h)
	d.MustStart("kv", port)
	leader, leftover := h.Pids("kv", "start")[0], h.Last("kv", "listen")
	if leader == leftover || leftover <= 0 {
		t.Fatal("no child of the leader serves")
	}
	who := holder(leftover)
	syscall.Kill(leader, syscall.SIGKILL)
	if why := d.WaitFailures("kv", 1).Why(); !strings.HasSuffix(why, heldBy(port, who)) {
		t.Errorf("the first failure, or on a slow machine the second: %q", why)
	}
	d.WaitStatus(`"starting"`)
	stop := neverRunning(t, d, "kv")
	want(t, "the next failure", d.WaitFailures("kv", 2).Why(), heldBy(port, who))
	stop()
	d.MustStop("kv")
	want(t, "a new start", d.Start("kv"), errorLine(heldBy(port, who)))
	syscall.Kill(leftover, syscall.SIGKILL)
	h.Behave("kv", Behaviour{})
	eventually(t, "a start after the end of the child", func() bool { return d.Start("kv") == portLine(port) })
}
