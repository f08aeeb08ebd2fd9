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

// A foreigner is another process that serves a port which a service wants. (The test's own would share its sockets
// for a moment with each process that it starts.)
type foreigner struct {
	cmd  *exec.Cmd
	in   io.Writer
	out  *bufio.Reader
	name string // as an error names it: "pid 49 (caddy)"
}

// newForeigner returns a process that will take port on loopback when it is told to, and answers every connection
// with answer ("": with silence).
func newForeigner(t *testing.T, port int, answer string) *foreigner {
	t.Helper()
	cmd := exec.Command(fakePath, "squat", fmt.Sprintf("127.0.0.1:%d", port), answer)
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
	f := &foreigner{cmd: cmd, in: in, out: bufio.NewReader(out)}
	t.Cleanup(f.Close)
	f.wait(t)
	f.name = holder(cmd.Process.Pid) // it has its program's name only now
	return f
}

// take has the foreigner take its port, as soon as that is free.
func (f *foreigner) take(t *testing.T) {
	t.Helper()
	io.WriteString(f.in, "now\n")
	f.wait(t)
}

// wait waits until the foreigner is ready for what comes next.
func (f *foreigner) wait(t *testing.T) {
	t.Helper()
	if word, err := f.out.ReadString('\n'); err != nil {
		t.Fatalf("the foreigner said %q, %v", word, err)
	}
}

func (f *foreigner) Close() {
	f.cmd.Process.Kill()
	f.cmd.Wait()
}

const (
	healthyAnswer = "HTTP/1.0 200 OK\r\n\r\n"
	absentAnswer  = "HTTP/1.0 404 Not Found\r\n\r\n"
)

// holder words a process as an error does.
func holder(pid int) string {
	comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	return fmt.Sprintf("pid %d (%s)", pid, strings.TrimSpace(string(comm)))
}

// neverRunning watches status until the test ends or the function that it
// returns is called.
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
				t.Errorf("%s counts as running: %s", name, status)
				return
			}
		}
	}()
	return func() { close(ended); <-done }
}

func heldBy(port int, who string) string { return fmt.Sprintf("port %d is held by %s", port, who) }

// A foreigner takes the port after the check and before the service binds it,
// whatever it answers and whatever the service makes of that.
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
			f := newForeigner(t, port, test.answer)
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
			if test.b.ExitIfTaken { // which is noticed first, the exit or the foreigner, is chance
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

// A service that lost its port to a foreigner after it was healthy is not
// healthy any more, even though the port answers; and it does not come back before
// the port is free.
func TestPortTakenFromARunningService(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	port := h.Install("kv", Behaviour{DropAfter: 200})
	f := newForeigner(t, port, healthyAnswer)
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

// Between the check and the bind of a restart it is as with a start.
func TestPortTakenDuringARestart(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	port := h.Install("kv", Behaviour{})
	d := startDaemon(t, h)
	d.MustStart("kv", port)
	h.Behave("kv", Behaviour{ListenNever: true})
	f := newForeigner(t, port, healthyAnswer)
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

// What a dead service left behind, out of its group and still serving, is no
// service of this daemon. (With cgroups, nothing is left behind.)
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
	want(t, "the first failure", d.WaitFailures("kv", 1).Why(), "signal: killed: "+heldBy(port, who))
	d.WaitStatus(`"starting"`)
	stop := neverRunning(t, d, "kv")
	want(t, "the next failure", d.WaitFailures("kv", 2).Why(), heldBy(port, who))
	stop()
	d.MustStop("kv")
	want(t, "a new start", d.Start("kv"), errorLine(heldBy(port, who)))
	syscall.Kill(leftover, syscall.SIGKILL)
	h.Behave("kv", Behaviour{})
	eventually(t, "a start once the leftover has left", func() bool { return d.Start("kv") == portLine(port) })
}
