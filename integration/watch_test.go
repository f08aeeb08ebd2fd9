//go:build unix

package integration

import (
	"fmt"
	"io"
	"net"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
)

// A watcher is a running zrctl.
type watcher struct {
	t   *testing.T
	cmd *exec.Cmd
	out *Log
}

func watch(t *testing.T, addr string, args ...string) *watcher {
	t.Helper()
	w := &watcher{t, exec.Command(zrctlPath, append([]string{"-addr", addr, "status", "-watch"}, args...)...), &Log{}}
	w.cmd.Stdout, w.cmd.Stderr = w.out, w.out
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.cmd.Process.Kill() })
	return w
}

func (w *watcher) waitOut(text string) {
	w.t.Helper()
	eventually(w.t, text, func() bool { return strings.Contains(w.out.String(), text) })
}

func (w *watcher) wantExit(status int) {
	w.t.Helper()
	w.cmd.Wait()
	if got := w.cmd.ProcessState.ExitCode(); got != status {
		w.t.Errorf("zrctl -watch exited with %d, want %d; it said %q", got, status, w.out)
	}
}

// -watch repeats the status until Ctrl-C, as a table by default. Without a terminal it clears no
// screen.
func TestWatch(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	port := h.Install("kv", Behaviour{})
	d := startDaemon(t, h)
	table, lines := watch(t, d.Addr), watch(t, d.Addr, "-o", "json")
	table.waitOut("no services\n")
	lines.waitOut(statusLine())
	d.MustStart("kv", port)
	table.waitOut("NAME  PORT   STATUS\n")
	lines.waitOut(statusLine(entry("kv", port, "running")))
	for _, w := range []*watcher{table, lines} {
		if strings.Contains(w.out.String(), "\x1b") {
			t.Errorf("escape sequences without a terminal: %q", w.out)
		}
	}
	table.cmd.Process.Signal(syscall.SIGINT)
	table.wantExit(0)
	lines.cmd.Process.Signal(syscall.SIGINT)
	lines.wantExit(0)
}

// -watch continues while the daemon does not answer, and says so once.
func TestWatchWhileTheDaemonDoesNotAnswer(t *testing.T) {
	t.Parallel()
	var requests atomic.Int32
	addr := pretend(t, func(c net.Conn) {
		if n := requests.Add(1); n == 1 || n > 4 {
			io.WriteString(c, statusLine())
		}
	})
	w := watch(t, addr)
	picture := "no services\nerror: no reply from " + addr + ": the connection ended before a reply; if the daemon was ending, start it again with zrd\nno services\n"
	w.waitOut(picture)
	w.cmd.Process.Signal(syscall.SIGINT)
	w.wantExit(0)
	if !strings.HasPrefix(w.out.String(), picture) {
		t.Errorf("got %q", w.out)
	}
}

// -watch ends if there is no daemon.
func TestWatchWithoutADaemon(t *testing.T) {
	t.Parallel()
	addr := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	wantNoDaemon(t, ctl(t, "-addr", addr, "status", "-watch"), addr)
}

// Ctrl-C ends a -watch that waits for an answer.
func TestWatchOfASilentDaemon(t *testing.T) {
	t.Parallel()
	taken := make(chan struct{})
	addr := pretend(t, func(c net.Conn) {
		close(taken)
		io.Copy(io.Discard, c)
	})
	w := watch(t, addr, "-timeout", "10m")
	<-taken
	w.cmd.Process.Signal(syscall.SIGINT)
	w.wantExit(0)
	want(t, "output", w.out.String(), "")
}
