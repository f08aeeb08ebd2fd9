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

// A request and the signals end the daemon in the same way: services first, each with its grace, exit status 0.
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
			want(t, "a start under way", <-start, errorLine("service 'waiting' was stopped"))
			d.WaitExit(0)
			wantGone(t, "after the daemon", h.Last("plain", "start"), h.Last("plain", "child"), h.Last("flush", "start"), h.Last("waiting", "start"))
			if h.Last("flush", "flushed") == 0 {
				t.Error("a service was not left its grace")
			}
		})
	}
}

// Services are stopped side by side, and no request for a start is taken meanwhile.
func TestShutdownStopsSideBySide(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	names := []string{"a", "b", "c"}
	d := startDaemon(t, h)
	for _, name := range names {
		d.MustStart(name, h.Install(name, Behaviour{FlushOnTerm: 3000}))
	}
	h.Install("late", Behaviour{})
	d.Signal(syscall.SIGTERM)
	for _, name := range names {
		h.WaitEvent(name, "term")
	}
	for _, name := range names {
		if h.Last(name, "flushed") != 0 {
			t.Errorf("%s had ended before all were told to", name)
		}
	}
	want(t, "a start", d.Start("late"), errorLine("the daemon is shutting down"))
	want(t, "a start of one that is being stopped", d.Start("a"), errorLine("the daemon is shutting down"))
	d.WaitExit(0)
	if starts := h.Pids("late", "start"); len(starts) > 0 {
		t.Errorf("late was started: processes %v", starts)
	}
}

// The second signal kills: what would flush for longer than that does not get to.
func TestSecondSignalKillsAtOnce(t *testing.T) {
	t.Parallel()
	for _, signals := range [][2]syscall.Signal{{syscall.SIGTERM, syscall.SIGTERM}, {syscall.SIGINT, syscall.SIGINT}, {syscall.SIGTERM, syscall.SIGINT}} {
		t.Run(fmt.Sprint(signals), func(t *testing.T) {
			t.Parallel()
			h := newHome(t)
			port := h.Install("kv", Behaviour{FlushOnTerm: 4000})
			d := startDaemon(t, h)
			d.MustStart("kv", port)
			d.Signal(signals[0])
			h.WaitEvent("kv", "term")
			d.Signal(signals[1])
			d.WaitExit(0)
			if h.Last("kv", "flushed") != 0 || alive(h.Last("kv", "start")) {
				t.Error("the second signal did not kill")
			}
		})
	}
}

// connect returns n connections that have said nothing yet.
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

// askShutdown asks for the shutdown on each of conns, which have been connected before, as nobody can
// be once the first has asked and the daemon is gone.
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

// A daemon under nohup does not mind a hangup.
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

// A signal that comes as soon as the daemon can be known to be there ends it as well as any later one.
func TestSignalRightAfterTheStart(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	for range 20 {
		d := startDaemon(t, h)
		d.Signal(syscall.SIGTERM)
		d.WaitExit(0)
	}
}
