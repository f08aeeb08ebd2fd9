//go:build unix

package integration

import (
	"fmt"
	"io"
	"net"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// A request and the signals have the same effect: all services are stopped, each with its grace,
// and the daemon exits with 0.
func TestWaysToEnd(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(t *testing.T, d *Daemon){
		"shutdown": func(t *testing.T, d *Daemon) { want(t, "shutdown", d.Ask(`{"request":"shutdown"}`), okLine) },
		"SIGTERM":  func(_ *testing.T, d *Daemon) { d.Signal(syscall.SIGTERM) },
		"SIGINT":   func(_ *testing.T, d *Daemon) { d.Signal(syscall.SIGINT) },
		"SIGHUP":   func(_ *testing.T, d *Daemon) { d.Signal(syscall.SIGHUP) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHome(t)
			plain, flush := h.Install("plain", Behaviour{Grandchild: true}), h.Install("flush", Behaviour{FlushOnTerm: 300})
			waiting := h.Install("waiting", Behaviour{ListenNever: true})
			d := startDaemon(t, h)
			d.MustStart("plain", plain)
			d.MustStart("flush", flush)
			start := d.CtlAsync("start", "waiting")
			d.WaitStatus(entry("waiting", waiting, "starting"))
			end(t, d)
			want(t, "the start of waiting", <-start, errorLine("service 'waiting' was stopped"))
			d.WaitExit(0)
			wantGone(t, "after the daemon", h.Last("plain", "start"), h.Last("plain", "child"), h.Last("flush", "start"), h.Last("waiting", "start"))
			if h.Last("flush", "flushed") == 0 {
				t.Error("a service did not get its grace")
			}
		})
	}
}

// Services are stopped side by side, and starts are refused.
func TestShutdownStopsSideBySide(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	names := []string{"a", "b", "c"}
	d := startDaemon(t, h)
	for _, name := range names {
		d.MustStart(name, h.Install(name, Behaviour{IgnoreTerm: true}, `stop-timeout = "1m"`))
	}
	h.Install("late", Behaviour{})
	d.Signal(syscall.SIGTERM)
	for _, name := range names {
		h.WaitEvent(name, "term")
	}
	for _, name := range names {
		if !alive(h.Last(name, "start")) {
			t.Errorf("%s ended before all got SIGTERM", name)
		}
	}
	want(t, "a start", d.Start("late"), errorLine("the daemon is shutting down"))
	want(t, "a start of a service that is being stopped", d.Start("a"), errorLine("the daemon is shutting down"))
	for _, name := range names {
		h.Kill(name)
	}
	d.WaitExit(0)
	if starts := h.Pids("late", "start"); len(starts) > 0 {
		t.Errorf("late was started: processes %v", starts)
	}
}

// The second signal kills services that have not ended.
func TestSecondSignalKillsAtOnce(t *testing.T) {
	t.Parallel()
	for _, signals := range [][2]syscall.Signal{{syscall.SIGTERM, syscall.SIGTERM}, {syscall.SIGINT, syscall.SIGINT}, {syscall.SIGTERM, syscall.SIGINT}} {
		t.Run(fmt.Sprint(signals), func(t *testing.T) {
			t.Parallel()
			h := newHome(t)
			port := h.Install("kv", Behaviour{IgnoreTerm: true}, `stop-timeout = "10m"`)
			d := startDaemon(t, h)
			d.MustStart("kv", port)
			d.Signal(signals[0])
			h.WaitEvent("kv", "term")
			d.Signal(signals[1])
			d.WaitExit(0)
			if alive(h.Last("kv", "start")) {
				t.Error("the second signal did not kill")
			}
		})
	}
}

// A terminal that is closed sends SIGHUP twice: once from its shell, once from the kernel.
func TestClosedTerminalLeavesTheGrace(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	port := h.Install("kv", Behaviour{FlushOnTerm: 500})
	d := startDaemon(t, h)
	d.MustStart("kv", port)
	d.Signal(syscall.SIGHUP)
	h.WaitEvent("kv", "term")
	d.Signal(syscall.SIGHUP)
	d.WaitExit(0)
	if h.Last("kv", "flushed") == 0 {
		t.Error("it did not get the time to flush")
	}
}

// connect returns n connections.
func connect(d *Daemon, n int) []net.Conn {
	d.t.Helper()
	var conns []net.Conn
	for range n {
		conn, err := net.Dial("tcp", d.Addr)
		if err != nil {
			d.t.Fatal(err)
		}
		d.t.Cleanup(func() { conn.Close() })
		conns = append(conns, conn)
	}
	return conns
}

// askShutdown asks for the shutdown on each of the connections. (They were made before, because the
// daemon may end after the first request.)
func askShutdown(d *Daemon, conns []net.Conn) {
	d.t.Helper()
	for _, conn := range conns {
		io.WriteString(conn, `{"request":"shutdown"}`+"\n")
	}
	for i, conn := range conns {
		conn.SetDeadline(time.Now().Add(limit))
		answer, err := io.ReadAll(conn)
		want(d.t, fmt.Sprintf("shutdown %d of %d (%v)", i+1, len(conns), err), string(answer), okLine)
	}
}

// Under nohup, the daemon ignores SIGHUP.
func TestIgnoredHangup(t *testing.T) {
	t.Parallel()
	nohup, err := exec.LookPath("nohup")
	if err != nil {
		t.Skip("no nohup: ", err)
	}
	h := newHome(t)
	kv, web := h.Install("kv", Behaviour{}), h.Install("web", Behaviour{})
	d := startCommand(t, h, exec.Command(nohup, zrdPath, "-home", h.Dir, "-addr", "127.0.0.1:0"))
	d.MustStart("kv", kv)
	d.Signal(syscall.SIGHUP)
	d.MustStart("web", web)
	want(t, "status", d.Status(), statusLine(entry("kv", kv, "running"), entry("web", web, "running")))
	d.Signal(syscall.SIGTERM)
	d.WaitExit(0)
}

func TestCannotBind(t *testing.T) {
	t.Parallel()
	d := startDaemon(t, newHome(t))
	got := run(t, exec.Command(zrdPath, "-home", d.Home.Dir, "-addr", d.Addr))
	if wanted := (result{"", "error: failed to bind daemon on " + d.Addr + " — is another daemon running?: bind: address already in use\n" +
		"hint: zrd -addr 127.0.0.1:PORT listens elsewhere\n", 1}); got != wanted {
		t.Errorf("got %+v, want %+v", got, wanted)
	}
	d.MustPing()
}

// A signal ends the daemon from the moment when it listens.
func TestSignalRightAfterTheStart(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	for range 20 {
		d := startDaemon(t, h)
		d.Signal(syscall.SIGTERM)
		d.WaitExit(0)
	}
}

// Every shutdown request gets a reply. Each of many daemons gets four, while other clients ask for
// the status, start services, are silent, or hang up.
func TestEveryShutdownGetsItsReply(t *testing.T) {
	t.Parallel()
	needFiles(t, 500)
	daemons, each := 50, 4
	if raceEnabled || testing.Short() {
		daemons = 10
	}
	workers(4, daemons, func(int) {
		h := newHome(t)
		port := h.Install("kv", Behaviour{FlushOnTerm: 50})
		h.Install("slow", Behaviour{ListenNever: true})
		d := startDaemon(t, h)
		d.MustStart("kv", port)
		stop := make(chan struct{})
		hammer(d, stop)
		askShutdown(d, connect(d, each))
		close(stop)
		d.WaitExit(0)
	})
}

// hammer keeps a daemon busy. It may refuse these clients.
func hammer(d *Daemon, stop chan struct{}) {
	go ask(d.Addr, `{"request":"start-service","name":"slow"}`)
	for _, line := range []string{`{"request":"status"}` + "\n", "", `{"request":"shut`, "no request\n"} {
		go func() {
			for {
				if conn, err := net.Dial("tcp", d.Addr); err == nil {
					io.WriteString(conn, line)
					defer conn.Close()
				}
				select {
				case <-stop:
					return
				case <-time.After(3 * time.Millisecond):
				}
			}
		}()
	}
}

// Clients that have connected but sent nothing when the last service ends are still answered.
func TestLateShutdownIsAnswered(t *testing.T) {
	t.Parallel()
	d := startDaemon(t, newHome(t))
	late := connect(d, 8)
	d.Ask(`{"request":"ping"}`)
	askShutdown(d, late)
	d.WaitExit(0)
}
