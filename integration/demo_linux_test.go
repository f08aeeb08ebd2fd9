package integration

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// runDemo runs zrd -demo with its own folder for temporary files, which must be empty in the end.
func runDemo(t *testing.T, dir string) (*Daemon, *Log) {
	t.Helper()
	out := &Log{}
	cmd := exec.Command(zrdPath, "-demo", "-addr", "127.0.0.1:0")
	cmd.Env, cmd.Stdout = []string{"TMPDIR=" + dir, runMark}, out // no home is needed
	return launch(t, &Home{t, dir}, cmd), out
}

// Everything that the demo prints can be done.
func TestDemo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d, out := runDemo(t, dir)
	d.WaitListening()
	eventually(t, "the commands", func() bool { return strings.Contains(out.String(), "shutdown   #") })
	match := regexp.MustCompile(`(?s) {4}zrctl -addr ` + d.Addr + ` -o table status -v\n {4}curl (http://127\.0\.0\.1:(\d+)/)\n {4}kill -9 (\d+) .*` +
		`zrctl -addr ` + d.Addr + ` stop hello\n.*start hello\n.*shutdown `).FindStringSubmatch(out.String())
	if match == nil {
		t.Fatalf("the demo printed %q", out)
	}
	url := match[1]
	port, _ := strconv.Atoi(match[2])
	pid, _ := strconv.Atoi(match[3])
	want(t, "the page", visit(url), fmt.Sprintf("hello from process %d\n", pid))
	syscall.Kill(pid, syscall.SIGKILL)
	eventually(t, "the page again", func() bool {
		page := visit(url)
		return page != "" && page != fmt.Sprintf("hello from process %d\n", pid)
	})
	d.WaitStatus(entry("hello", port, "running")) // the page may be back before the check that finds it
	want(t, "stop", d.Ctl("stop", "hello").out, okLine)
	want(t, "start", d.Ctl("start", "hello").out, portLine(port))
	d.Signal(syscall.SIGINT)
	d.WaitExit(0)
	wantEmpty(t, dir)
}

// A demo that cannot start ends at once. Here there is no folder, and then its binary cannot be
// executed.
func TestDemoThatCannotStart(t *testing.T) {
	t.Parallel()
	d, _ := runDemo(t, filepath.Join(t.TempDir(), "missing"))
	d.WaitExit(1)
	<-d.mute
	if !strings.Contains(d.Log.String(), "error: cannot make the demo's home: ") {
		t.Errorf("the demo printed %q", d.Log)
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_NOEXEC, ""); err != nil {
		t.Skipf("cannot mount a file system that executes nothing: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, 0) })
	d, _ = runDemo(t, dir)
	d.WaitExit(1)
	<-d.mute
	if !strings.Contains(d.Log.String(), "/hello: permission denied") || !strings.Contains(d.Log.String(), "\nerror: cannot start the demo: failed to spawn service: ") {
		t.Errorf("the demo printed %q", d.Log)
	}
	wantEmpty(t, dir)
}

// visit returns the page at url, or "" if there is none.
func visit(url string) string {
	client := http.Client{Timeout: limit, Transport: &http.Transport{DisableKeepAlives: true}}
	reply, err := client.Get(url)
	if err != nil {
		return ""
	}
	defer reply.Body.Close()
	page, _ := io.ReadAll(reply.Body)
	return string(page)
}

func wantEmpty(t *testing.T, dir string) {
	t.Helper()
	if files, err := os.ReadDir(dir); err != nil || len(files) > 0 {
		t.Errorf("the demo did not remove %v, %v", files, err)
	}
}
