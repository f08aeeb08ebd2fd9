//go:build linux

package integration

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// The second and the third user.
const nobody, stranger = "nobody", "daemon"

// reach returns an error if the second user cannot run the programs under test. A folder above them
// may be closed.
var reach = sync.OnceValue(func() error {
	cmd := exec.Command(zrctlPath, "-version")
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	return cmd.Run()
})

// as makes a command run as another user. It skips the test where that is impossible.
func as(t *testing.T, name string, cmd *exec.Cmd) *exec.Cmd {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can speak as another user")
	}
	u, err := user.Lookup(name)
	if err != nil {
		t.Skipf("no second user: %v", err)
	}
	if err := reach(); err != nil {
		t.Skipf("a second user cannot run the programs under test: %v", err)
	}
	uid, _ := strconv.Atoi(u.Uid)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(uid)}}
	cmd.Dir = "/"
	return cmd
}

// ctlAs runs zrctl as another user, and returns both outputs.
func (d *Daemon) ctlAs(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := as(t, name, exec.Command(zrctlPath, append([]string{"-addr", d.Addr}, args...)...))
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return string(out)
}

func denied(t *testing.T, name string) string {
	u, err := user.Lookup(name)
	if err != nil {
		t.Skipf("no second user: %v", err)
	}
	return fmt.Sprintf(`{"ok":false,"error":"permission denied: user %s may not speak to this daemon (see zrd -allow)"}`+"\n", u.Uid)
}

// Every request of a second user gets the same refusal, and is not carried out.
func TestSecondUserIsDenied(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	port := h.Install("kv", Behaviour{})
	h.Install("web", Behaviour{})
	d := startDaemon(t, h)
	d.MustStart("kv", port)
	for _, args := range [][]string{{"ping"}, {"status"}, {"start", "web"}, {"stop", "kv"}, {"shutdown"}} {
		want(t, nobody+": "+strings.Join(args, " "), d.ctlAs(t, nobody, args...), denied(t, nobody))
	}
	d.checkOnly(t, "kv", port)
}

// checkOnly fails unless this service runs as its first process, and no other was ever started.
func (d *Daemon) checkOnly(t *testing.T, name string, port int) {
	t.Helper()
	want(t, "status", d.Status(), fmt.Sprintf(`{"ok":true,"services":[{"name":%q,"port":%d,"status":"running"}]}`+"\n", name, port))
	if starts := len(d.Home.Pids(name, "start")); starts != 1 {
		t.Errorf("%s was started %d times", name, starts)
	}
	if all, _ := filepath.Glob(filepath.Join(d.Home.Dir, "store/*/*/events")); len(all) != 1 {
		t.Errorf("not only %s was started: %v", name, all)
	}
}

func TestAllow(t *testing.T) {
	t.Parallel()
	u, err := user.Lookup(nobody)
	if err != nil {
		t.Skipf("no second user: %v", err)
	}
	for _, test := range []struct {
		allow            string
		nobody, stranger bool
	}{
		{"self", false, false}, {"any", true, true}, {nobody, true, false}, {u.Uid, true, false},
		{stranger, false, true}, {stranger + "," + u.Uid, true, true},
	} {
		t.Run(test.allow, func(t *testing.T) {
			t.Parallel()
			d := startDaemon(t, newHome(t), "-allow", test.allow)
			want(t, "a ping of root", d.Ask(`{"request":"ping"}`), okLine)
			for name, allowed := range map[string]bool{nobody: test.nobody, stranger: test.stranger} {
				expect := denied(t, name)
				if allowed {
					expect = okLine
				}
				want(t, "a ping of "+name, d.ctlAs(t, name, "ping"), expect)
			}
		})
	}
}

// A daemon of another user serves that user and root.
func TestDaemonOfAnotherUser(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	d := startCommand(t, h, as(t, nobody, daemonCommand(h)))
	want(t, "a ping of its user", d.ctlAs(t, nobody, "ping"), okLine)
	d.MustPing()
	want(t, "a ping of a stranger", d.ctlAs(t, stranger, "ping"), denied(t, stranger))
}

// The kernel shows a closed socket as user 0's. Requests that a second user sends before closing
// are not root's, whether the daemon is stopped meanwhile or not.
func TestClosedSocketIsNotRoot(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	port := h.Install("kv", Behaviour{})
	h.Install("web", Behaviour{})
	d := startDaemon(t, h)
	d.MustStart("kv", port)
	rest := descriptors(t, d.Pid())
	lines := []string{`{"request":"shutdown"}`, `{"request":"stop-service","name":"kv"}`, `{"request":"start-service","name":"web"}`}
	for _, hold := range []bool{true, false} {
		var clients []*exec.Cmd
		for _, line := range lines {
			clients = append(clients, as(t, nobody, exec.Command(fakePath, "send", d.Addr, line, "300")))
		}
		if hold {
			d.Signal(syscall.SIGSTOP)
		}
		for _, client := range clients {
			if out, err := client.CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		}
		d.Signal(syscall.SIGCONT)
	}
	d.Ask(`{"request":"ping"}`) // all earlier connections have been accepted
	eventually(t, "descriptors as at rest", func() bool { return descriptors(t, d.Pid()) <= rest })
	d.WaitLog("daemon: connection error: permission denied: the client closed its end before it could be identified\n")
	d.checkOnly(t, "kv", port)
}
