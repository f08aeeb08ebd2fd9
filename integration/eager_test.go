//go:build unix

package integration

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

const eager = `startup = "eager"`

// One eager package fails, one is broken, one takes for ever, and none of
// them holds up the others or the daemon.
func TestEager(t *testing.T) {
	t.Parallel()
	h, one := newHome(t), 1
	slow := h.Install("a-slow", Behaviour{Status: "503 Service Unavailable"}, eager)
	kv := h.Install("kv", Behaviour{}, eager)
	web := h.Install("web", Behaviour{}, eager)
	h.Install("failing", Behaviour{ExitAtOnce: &one}, eager)
	h.Install("broken", Behaviour{}, eager, "health = 1")
	lazy := h.Install("lazy", Behaviour{}, `startup = "lazy"`)
	inactive := h.Install("inactive", Behaviour{}, eager)
	h.Write("modules/inactive.json", `{"schema":1,"current":"1.0.0","active":false}`)

	d := startDaemon(t, h)
	d.WaitLog("daemon: failed to start 'failing': exit status 1\n")
	d.WaitLog("daemon: failed to start 'broken': " + h.Dir + "/store/broken/1.0.0/package.toml: line ")
	both := entry("kv", kv, "running") + "," + entry("web", web, "running") + "]}\n"
	eventually(t, "kv and web beside a-slow", func() bool {
		return d.Status() == `{"ok":true,"services":[`+entry("a-slow", slow, "starting")+","+both
	})
	want(t, "the stop of a-slow", d.Stop("a-slow"), `{"ok":true}`+"\n")
	d.WaitLog("daemon: failed to start 'a-slow': service 'a-slow' was stopped\n")
	want(t, "status", d.Status(), `{"ok":true,"services":[`+both)

	d.MustStart("lazy", lazy)
	d.MustStart("inactive", inactive) // not started with the daemon is not forbidden
}

// The daemon is killed while it runs services, and started again as soon as it
// is gone: its manager may be faster than the end of its services.
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

// A port that stays taken is given up, and the log says whose it is.
func TestEagerPortTaken(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	port := h.Install("kv", Behaviour{}, eager)
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	d := startDaemon(t, h)
	d.WaitLog(fmt.Sprintf("daemon: failed to start 'kv': port %d is held by ", port))
	want(t, "status", d.Status(), `{"ok":true,"services":[]}`+"\n")
}

// The end of the daemon does not wait for what is still starting.
func TestEagerEndsWithTheDaemon(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	port := h.Install("slow", Behaviour{Status: "503 Service Unavailable"}, eager)
	d := startDaemon(t, h)
	d.WaitStatus(entry("slow", port, "starting"))
	d.Signal(syscall.SIGTERM)
	d.WaitExit(0)
	if strings.Contains(d.Log.String(), "health check timeout") {
		t.Error("the daemon waited for the health check of a service that it was to end")
	}
}

// A daemon that cannot tell what to start says so, and serves.
func TestEagerCannotList(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	modules := filepath.Join(h.Dir, "modules")
	os.RemoveAll(modules)
	if err := os.WriteFile(modules, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	d := startDaemon(t, h)
	d.WaitLog("daemon: cannot list the installed packages: ")
	want(t, "a ping", d.Ask(`{"request":"ping"}`), okLine)
	missing := filepath.Join(h.Dir, "missing")
	d = startDaemon(t, &Home{t, missing})
	d.WaitLog("daemon: no packages in the home " + missing + ": no such file or directory\n")
	want(t, "a ping", d.Ask(`{"request":"ping"}`), okLine)
}
