//go:build linux

package integration

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// A manager is a real one. It runs zrd by the files in testdata, which the README tells users to
// install.
type manager struct {
	name  string
	tools []string
	// install writes what the manager needs to dir and returns how to run it.
	install func(t *testing.T, dir string, adapt func(string) string) *exec.Cmd
	// The commands of an administrator in dir.
	up, down, kill, crash, status []string
	staysDown                     string   // the output of status after zrctl shutdown; "" if the manager restarts zrd
	end                           []string // a command before the manager gets signal
	signal                        syscall.Signal
}

var managers = []manager{
	{
		name:  "runit",
		tools: []string{"runsvdir", "runsv", "sv", "chpst"},
		install: func(t *testing.T, dir string, adapt func(string) string) *exec.Cmd {
			adaptFile(t, "runit/run", filepath.Join(dir, "sv/zrd/run"), adapt)
			return exec.Command("runsvdir", filepath.Join(dir, "sv"))
		},
		up:     []string{"sv", "up", "./sv/zrd"},
		down:   []string{"sv", "-w", "30", "down", "./sv/zrd"},
		kill:   []string{"sv", "kill", "./sv/zrd"},
		crash:  []string{"sv", "quit", "./sv/zrd"},
		end:    []string{"sv", "-w", "30", "force-shutdown", "./sv/zrd"},
		signal: syscall.SIGHUP,
	},
	{
		name:  "s6",
		tools: []string{"s6-svscan", "s6-svscanctl", "s6-svc", "s6-setuidgid", "s6-notifyoncheck"},
		install: func(t *testing.T, dir string, adapt func(string) string) *exec.Cmd {
			adaptFile(t, "s6/run", filepath.Join(dir, "sv/zrd/run"), adapt)
			adaptFile(t, "s6/finish", filepath.Join(dir, "sv/zrd/finish"), adapt)
			adaptFile(t, "s6/check", filepath.Join(dir, "sv/zrd/data/check"), adapt)
			write(t, filepath.Join(dir, "sv/zrd/notification-fd"), "3\n")
			return exec.Command("s6-svscan", filepath.Join(dir, "sv"))
		},
		up:        []string{"s6-svc", "-uwU", "-T", "30000", "./sv/zrd"},
		down:      []string{"s6-svc", "-dwD", "-T", "30000", "./sv/zrd"},
		kill:      []string{"s6-svc", "-k", "./sv/zrd"},
		crash:     []string{"s6-svc", "-q", "./sv/zrd"},
		status:    []string{"s6-svstat", "-o", "up,wantedup", "./sv/zrd"},
		staysDown: "false false\n",
		signal:    syscall.SIGTERM,
	},
	{
		name:  "supervisord",
		tools: []string{"supervisord", "supervisorctl"},
		install: func(t *testing.T, dir string, adapt func(string) string) *exec.Cmd {
			adaptFile(t, "supervisord.conf", filepath.Join(dir, "zrd.conf"), adapt)
			conf := filepath.Join(dir, "supervisord.conf")
			write(t, conf, "[supervisord]\nnodaemon=true\nminfds=100\nlogfile=supervisord.log\npidfile=supervisord.pid\nchildlogdir=.\n"+
				"[unix_http_server]\nfile=supervisor.sock\n[supervisorctl]\nserverurl=unix://supervisor.sock\n"+
				"[rpcinterface:supervisor]\nsupervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n"+
				"[include]\nfiles=zrd.conf\n")
			return exec.Command("supervisord", "-c", conf)
		},
		up:        []string{"supervisorctl", "-c", "supervisord.conf", "start", "zrd"},
		down:      []string{"supervisorctl", "-c", "supervisord.conf", "stop", "zrd"},
		kill:      []string{"supervisorctl", "-c", "supervisord.conf", "signal", "KILL", "zrd"},
		crash:     []string{"supervisorctl", "-c", "supervisord.conf", "signal", "QUIT", "zrd"},
		status:    []string{"sh", "-c", "supervisorctl -c supervisord.conf status zrd | cut -c 34-39"},
		staysDown: "EXITED\n",
		signal:    syscall.SIGTERM,
	},
}

func TestManagers(t *testing.T) {
	t.Parallel()
	for _, m := range managers {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			need(t, m.tools...)
			testManager(t, m)
		})
	}
}

func testManager(t *testing.T, m manager) {
	dir := plainDir(t)
	h := homeAt(t, filepath.Join(dir, "home"))
	kv := h.Install("kv", Behaviour{Say: "kv has something to say"}, eager)
	web := h.Install("web", Behaviour{})
	d := &Daemon{t: t, Home: h, Addr: fmt.Sprintf("127.0.0.1:%d", freePort(t))}
	run := manage(t, m, d, dir)

	d.waitUp(entry("kv", kv, "running"))
	d.MustStart("web", web)

	// SIGKILL of zrd ends its services, and the eager one comes back. SIGQUIT is like a crash of a
	// Go program.
	old := 0
	for _, end := range [][]string{m.kill, m.crash} {
		old = h.Last("kv", "start")
		run(end...)
		eventually(t, "a new kv", func() bool { return h.Last("kv", "start") != old })
		eventually(t, "the end of the old processes", func() bool { return !alive(old) && !alive(h.Last("web", "start")) })
		d.waitUp(`{"ok":true,"services":[` + entry("kv", kv, "running") + "]}\n")
		d.MustStart("web", web)
	}

	// A stop by the manager is a clean end.
	run(m.down...)
	d.wantDown()

	// So is zrctl shutdown. Most managers then leave zrd down.
	run(m.up...)
	d.waitUp(entry("kv", kv, "running"))
	old = h.Last("kv", "start")
	want(t, "shutdown", d.Ask(`{"request":"shutdown"}`), okLine)
	if m.staysDown == "" {
		eventually(t, "a new kv", func() bool { return h.Last("kv", "start") != old })
		return
	}
	d.wantDown()
	eventually(t, m.name+" to leave it down", func() bool { return run(m.status...) == m.staysDown })
}

// manage runs zrd at d.Addr by m, with its files in dir, and returns a function that runs a command
// in dir. At the end of the test it ends both.
func manage(t *testing.T, m manager, d *Daemon, dir string) func(args ...string) string {
	t.Helper()
	adapt := strings.NewReplacer(append(ownUser(t, d.Home),
		"/usr/local/bin/zrd", link(t, dir, zrdPath)+" -addr "+d.Addr,
		"/usr/local/bin/zrctl", link(t, dir, zrctlPath)+" -addr "+d.Addr,
		"/var/lib/zr", d.Home.Dir, "/var/log/zrd.log", filepath.Join(dir, "zrd.log"),
	)...).Replace
	cmd := m.install(t, dir, adapt)
	out, err := os.Create(filepath.Join(dir, "manager.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) string {
		t.Helper()
		c := exec.Command(args[0], args[1:]...)
		c.Dir = dir
		out, err := c.CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v: %s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	t.Cleanup(func() {
		if len(m.end) > 0 { // runsv may start zrd again while it ends, and then needs a second SIGTERM
			end := exec.Command(m.end[0], m.end[1:]...)
			end.Dir = dir
			end.Run()
		}
		cmd.Process.Signal(m.signal)
		cmd.Wait()
		d.wantDown()
		text, _ := os.ReadFile(out.Name())
		more, _ := os.ReadFile(filepath.Join(dir, "zrd.log"))
		text = append(text, more...)
		if !t.Failed() && !bytes.Contains(text, []byte("kv has something to say\n")) {
			t.Error("the manager's log does not have the standard output of a service")
		}
		if t.Failed() {
			t.Logf("the manager's log:\n%s", text)
		}
	})
	return run
}

// ownUser makes the daemon run as the user nobody instead of zr, and gives it the home. Only root
// can do that.
func ownUser(t *testing.T, h *Home) (replacements []string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Log("not root: the daemon runs as the test's user")
		return []string{"chpst -u zr ", "chpst ", "s6-setuidgid zr ", "", "user=zr\n", ""}
	}
	u, err := user.Lookup(nobody)
	if err != nil {
		t.Skipf("no second user: %v", err)
	}
	if err := reach(); err != nil {
		t.Skipf("a second user cannot run the programs under test: %v", err)
	}
	uid, _ := strconv.Atoi(u.Uid)
	err = filepath.WalkDir(h.Dir, func(path string, _ os.DirEntry, err error) error {
		return errors.Join(err, os.Lchown(path, uid, -1))
	})
	if err != nil {
		t.Fatal(err)
	}
	return []string{"chpst -u zr ", "chpst -u " + nobody + " ", "s6-setuidgid zr ", "s6-setuidgid " + nobody + " ", "user=zr\n", "user=" + nobody + "\n"}
}

// waitUp waits until the daemon answers and its status holds text.
func (d *Daemon) waitUp(text string) {
	d.t.Helper()
	eventually(d.t, "a daemon with "+text, func() bool {
		status, err := ask(d.Addr, `{"request":"status"}`+"\n")
		return err == nil && strings.Contains(status, text)
	})
}

// wantDown waits until the daemon has ended. Its services must have ended before.
func (d *Daemon) wantDown() {
	d.t.Helper()
	eventually(d.t, "the end of the daemon", func() bool {
		conn, err := net.Dial("tcp", d.Addr)
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
	for _, name := range []string{"kv", "web"} {
		if pid := d.Home.Last(name, "start"); pid != 0 && alive(pid) {
			d.t.Errorf("process %d of %s is alive", pid, name)
		}
	}
}

func adaptFile(t *testing.T, from, to string, adapt func(string) string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", from))
	if err != nil {
		t.Fatal(err)
	}
	write(t, to, adapt(string(text)))
}

// plain matches a path that needs no quotes anywhere and is short enough for the path of a socket
// below it, which may have 107 bytes.
var plain = regexp.MustCompile(`^[\w./-]{1,70}$`)

// plainDir returns a temporary folder with a plain path.
func plainDir(t *testing.T) string {
	t.Helper()
	parent := os.TempDir()
	if !plain.MatchString(parent) {
		parent = "/tmp"
	}
	dir, err := os.MkdirTemp(parent, "zr-")
	if err != nil {
		t.Skipf("no temporary folder with a short path without spaces and the like: %v", err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// link returns the path of a symbolic link in dir to a program.
func link(t *testing.T, dir, program string) string {
	t.Helper()
	path := filepath.Join(dir, filepath.Base(program))
	if err := os.Symlink(program, path); err != nil {
		t.Fatal(err)
	}
	return path
}
