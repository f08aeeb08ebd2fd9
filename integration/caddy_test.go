//go:build unix

package integration

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A server that nobody here wrote: Debian's caddy, wrapped in a script of two lines. What is added to the
// script that a user would write keeps the test on loopback: of two --listen, caddy takes the last.
const caddyScript = `#!/bin/sh
exec caddy file-server --root "$(dirname "$0")/site" "$@" --listen "127.0.0.1:${1##*:}"
`

func TestCaddy(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("caddy"); err != nil {
		t.Skip("caddy is not installed (apt-get install caddy): ", err)
	}
	h := newHome(t)
	port := freePort(t)
	h.Write("modules/caddy.json", goodReceipt)
	h.Write("store/caddy/1.0.0/package.toml", fmt.Sprintf("name = \"caddy\"\nversion = \"1.0.0\"\nbinary = \"serve\"\n[service]\nport = %d\nhealth = \"/\"\n", port))
	h.Write("store/caddy/1.0.0/serve", caddyScript)
	h.Write("store/caddy/1.0.0/site/index.html", "hello from caddy\n")
	if err := os.Chmod(filepath.Join(h.folder("caddy"), "serve"), 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(zrdPath, "-home", h.Dir, "-addr", "127.0.0.1:0")
	cmd.Env = append(os.Environ(), "HOME="+h.Dir, "XDG_DATA_HOME="+h.Dir, "XDG_CONFIG_HOME="+h.Dir)
	d := startCommand(t, h, cmd)
	wantResult(t, "start", d.result("start", "caddy"), result{portLine(port), "", 0})
	url := fmt.Sprintf("http://127.0.0.1:%d/", port)
	want(t, "the page", visit(url), "hello from caddy\n")

	var first int
	out := d.result("status", "-v").out
	if _, rest, ok := strings.Cut(out, `"pid":`); !ok {
		t.Fatalf("no process in %q", out)
	} else {
		fmt.Sscan(rest, &first)
	}
	killed := time.Now()
	syscall.Kill(first, syscall.SIGKILL)
	eventually(t, "the page again", func() bool { return !alive(first) && visit(url) == "hello from caddy\n" })
	t.Logf("serving again %v after SIGKILL", time.Since(killed).Round(time.Millisecond))
	d.WaitLog("daemon: service 'caddy' restarted successfully\n")
	for _, line := range []string{"service 'caddy' unhealthy (failure 1/5): signal: killed", "restarting 'caddy' in 1s"} {
		d.WaitLog("daemon: " + line + "\n")
	}
	wantResult(t, "status", d.result("status"), result{statusLine(entry("caddy", port, "running")), "", 0})
	wantResult(t, "stop", d.result("stop", "caddy"), result{okLine, "", 0})
	want(t, "the page after the stop", visit(url), "")
}

// fetch returns the body of a page, or nothing.
func visit(url string) string {
	client := http.Client{Timeout: limit, Transport: &http.Transport{DisableKeepAlives: true}}
	reply, err := client.Get(url)
	if err != nil {
		return ""
	}
	defer reply.Body.Close()
	body, _ := io.ReadAll(reply.Body)
	return string(body)
}
