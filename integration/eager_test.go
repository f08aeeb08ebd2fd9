//go:build unix

package integration

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

const eager = `startup = "eager"`

// One eager package fails, one is broken, and one takes long. They delay neither the others nor the
// daemon, and are tried again.
func TestEager(t *testing.T) {
	t.Parallel()
	h, one := newHome(t), 1
	slow := h.Install("a-slow", Behaviour{Status: "503 Service Unavailable"}, eager)
	kv := h.Install("kv", Behaviour{}, eager)
	web := h.Install("web", Behaviour{}, eager)
	failing := h.Install("failing", Behaviour{ExitAtOnce: &one}, eager)
	broken := h.Install("broken", Behaviour{}, eager, "health = 1")
	lazy := h.Install("lazy", Behaviour{}, `startup = "lazy"`)
	inactive := h.Install("inactive", Behaviour{}, eager)
	h.Write("modules/inactive.json", `{"schema":1,"current":"1.0.0","active":false}`)

	d := startDaemon(t, h)
	want(t, "the failure of failing", d.WaitFailures("failing", 1).Why(), "exited before it was healthy: exit status 1")
	if why := d.WaitFailures("broken", 1).Why(); !strings.HasPrefix(why, h.folder("broken")+"/package.toml: line ") {
		t.Errorf("broken fails: %s", why)
	}
	eventually(t, "kv and web to run", func() bool {
		return d.Status() == statusLine(entry("a-slow", slow, "starting"), entry("broken", 0, "starting"), entry("failing", failing, "starting"),
			entry("kv", kv, "running"), entry("web", web, "running"))
	})
	d.MustStop("a-slow")
	h.Behave("failing", Behaviour{})
	h.InstallAt("broken", broken, Behaviour{}, eager)
	eventually(t, "all but a-slow to run", func() bool {
		return d.Status() == statusLine(entry("broken", broken, "running"), entry("failing", failing, "running"),
			entry("kv", kv, "running"), entry("web", web, "running"))
	})

	d.MustStart("lazy", lazy)
	d.MustStart("inactive", inactive) // an inactive package can be started
}

// The daemon is killed while its services run, and started again at once, perhaps before they have
// ended.
func TestEagerAfterKill(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	port := h.Install("kv", Behaviour{}, eager)
	for range 5 {
		d := startDaemon(t, h)
		d.WaitStatus(entry("kv", port, "running"))
		d.Kill()
	}
	d := startDaemon(t, h)
	d.WaitStatus(entry("kv", port, "running"))
}

// A port that is taken for a while costs a failure, which says who holds it.
func TestEagerPortTaken(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	port := h.Install("kv", Behaviour{}, eager)
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	d := startDaemon(t, h)
	if s := d.WaitFailures("kv", 1); !strings.HasPrefix(s.Why(), fmt.Sprintf("port %d is held by ", port)) {
		t.Errorf("kv: %+v", s)
	}
	d.WaitStatus(entry("kv", port, "starting"))
	l.Close()
	d.WaitStatus(entry("kv", port, "running"))
}

// The end of the daemon does not wait for a service that is starting.
func TestEagerEndsWithTheDaemon(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	port := h.Install("slow", Behaviour{Status: "503 Service Unavailable"}, eager, `start-timeout = "1h"`)
	d := startDaemon(t, h)
	d.WaitStatus(entry("slow", port, "starting"))
	d.Signal(syscall.SIGTERM)
	d.WaitExit(0)
}

// A daemon that cannot list its packages says so and serves. It lists them again later.
func TestEagerCannotList(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	port := h.Install("kv", Behaviour{}, eager)
	modules, away, late := filepath.Join(h.Dir, "modules"), filepath.Join(h.Dir, "away"), filepath.Join(h.Dir, "late")
	if err := errors.Join(os.Rename(modules, away), os.Symlink(late, modules)); err != nil {
		t.Fatal(err)
	}
	d := startDaemon(t, h)
	d.WaitLog("daemon: cannot list the installed packages: ")
	d.MustPing()
	if err := os.Rename(away, late); err != nil {
		t.Fatal(err)
	}
	d.WaitStatus(entry("kv", port, "running"))
}
