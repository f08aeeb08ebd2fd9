//go:build linux

package integration

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// systemd-analyze finds nothing wrong with the units, under the names and with the program that
// they have once installed.
func TestUnits(t *testing.T) {
	t.Parallel()
	need(t, "systemd-analyze")
	for _, c := range []struct {
		source string
		args   []string
	}{
		{"zrd.service", []string{"--system"}},
		{"zrd-user.service", []string{"--user"}},
	} {
		t.Run(c.source, func(t *testing.T) {
			t.Parallel()
			dir := plainDir(t)
			program := link(t, dir, zrdPath)
			units := []string{filepath.Join(dir, "zrd.service"), filepath.Join(dir, "zrd.socket")}
			for i, source := range []string{c.source, "zrd.socket"} {
				text, err := os.ReadFile(filepath.Join("..", "zrd", source))
				if err != nil {
					t.Fatal(err)
				}
				installed := strings.NewReplacer("/usr/local/bin/zrd", program, "%h/go/bin/zrd", program).Replace(string(text))
				if err := os.WriteFile(units[i], []byte(installed), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			cmd := exec.Command("systemd-analyze", append(append(c.args, "verify", "--man=no"), units...)...)
			cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_RUNTIME_DIR="+dir)
			// It exits with 0 after "Unknown key" and the like.
			if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// The first request starts the daemon, on a socket that was open before.
func TestSocketActivation(t *testing.T) {
	t.Parallel()
	need(t, "systemd-socket-activate")
	h := newHome(t)
	port := h.Install("kv", Behaviour{})
	addr := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	d := launch(t, h, exec.Command("systemd-socket-activate", "-l", addr, zrdPath, "-home", h.Dir))
	d.Addr = addr
	d.WaitLog("Listening on " + addr)
	if strings.Contains(d.Log.String(), "daemon: ") {
		t.Fatal("the daemon runs before the first request")
	}
	wantResult(t, "start kv", d.Ctl("start", "kv"), result{portLine(port), "", 0})
	if strings.Contains(environment(t, h.Last("kv", "start")), "\x00LISTEN_") {
		t.Error("the service has LISTEN_ variables")
	}
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", h.Last("kv", "start")))
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		link, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", h.Last("kv", "start"), fd.Name()))
		if own, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", d.Pid(), fd.Name())); link == own && strings.HasPrefix(link, "socket:") {
			t.Errorf("the service has the daemon's %s", link)
		}
	}
	want(t, "shutdown", d.Ask(`{"request":"shutdown"}`), okLine)
	d.WaitExit(0)
}

// Sockets that zrd cannot serve are an error, with exit status 1.
func TestSocketActivationRefused(t *testing.T) {
	t.Parallel()
	need(t, "systemd-socket-activate")
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"two sockets": {[]string{"-l", "127.0.0.1:%d", "-l", "127.0.0.1:%d"}, "error: the manager handed over 2 sockets: "},
		"everywhere":  {[]string{"-l", "0.0.0.0:%d"}, "is not a loopback address"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			port := 0
			args := []string{}
			for _, arg := range c.args {
				if strings.Contains(arg, "%d") {
					port = freePort(t)
					arg = fmt.Sprintf(arg, port)
				}
				args = append(args, arg)
			}
			h := newHome(t)
			d := launch(t, h, exec.Command("systemd-socket-activate", append(args, zrdPath, "-home", h.Dir)...))
			d.WaitLog(fmt.Sprintf(":%d as ", port)) // the last socket is open
			go ask(fmt.Sprintf("127.0.0.1:%d", port), "{}\n")
			d.WaitExit(1)
			d.WaitLog(c.want)
		})
	}
}

// A request between two daemons is answered by the second if the manager keeps the socket.
func TestSocketOutlivesTheDaemon(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	l := listenLoopback(t)
	defer l.Close()
	f, err := l.File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, end := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL, syscall.SIGTERM} {
		answer := make(chan string)
		go func() {
			out, _ := ask(l.Addr().String(), `{"request":"ping"}`+"\n")
			answer <- out
		}()
		// The shell makes its own number the daemon's.
		cmd := exec.Command("/bin/sh", "-c", `LISTEN_FDS=1 LISTEN_PID=$$ exec "$0" "$@"`, zrdPath, "-home", h.Dir)
		cmd.ExtraFiles = append(cmd.ExtraFiles, f)
		d := startCommand(t, h, cmd)
		want(t, "ping", <-answer, okLine)
		d.Signal(end)
		<-d.done
	}
}

func listenLoopback(t *testing.T) *net.TCPListener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return l.(*net.TCPListener)
}
