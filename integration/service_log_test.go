//go:build unix

package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// talkative is a service that writes to both outputs and exits.
const talkative = "#!/bin/sh\necho out\necho err >&2\nexit 4\n"

// -service-log appends both outputs of a service to a file, which each start opens anew.
func TestServiceLog(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.InstallScript("kv", talkative)
	dir := t.TempDir()
	d := startDaemon(t, h, "-service-log", dir)
	log, old := filepath.Join(dir, "kv.log"), filepath.Join(dir, "kv.log.1")
	failure(t, d.Start("kv"))
	wantFile(t, log, "out\nerr\n")
	if info, err := os.Stat(log); err != nil || info.Mode() != 0o640 {
		t.Errorf("the log has the mode %v, %v", info.Mode(), err)
	}
	failure(t, d.Start("kv"))
	wantFile(t, log, "out\nerr\nout\nerr\n")
	if err := os.Rename(log, old); err != nil {
		t.Fatal(err)
	}
	failure(t, d.Start("kv"))
	wantFile(t, log, "out\nerr\n")
	wantFile(t, old, "out\nerr\nout\nerr\n")
	if strings.Contains(d.Log.String(), "\nerr\n") {
		t.Error("the service also writes to the daemon's log")
	}
}

func wantFile(t *testing.T, path, content string) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil {
		t.Error(err)
	}
	want(t, path, string(got), content)
}

// A service whose log cannot be opened does not start, and the error says why.
func TestServiceLogThatCannotBeOpened(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.Install("kv", Behaviour{})
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "kv.log"), 0o755); err != nil {
		t.Fatal(err)
	}
	d := startDaemon(t, h, "-service-log", dir)
	want(t, "start", d.Start("kv"), errorLine(fmt.Sprintf("failed to spawn service: open %s/kv.log: is a directory", dir)))
}

// A service runs in the folder of its package, even if the folder of the daemon has been removed.
func TestWorkingDirectory(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	port := h.InstallScript("kv", "#!/bin/sh\npwd -P > here\nexec \"${0%serve}fake\" \"$@\"\n")
	cmd := daemonCommand(h)
	cmd.Dir = filepath.Join(t.TempDir(), "gone")
	if err := os.Mkdir(cmd.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	d := startCommand(t, h, cmd)
	if err := os.Remove(cmd.Dir); err != nil {
		t.Fatal(err)
	}
	d.MustStart("kv", port)
	wantFile(t, filepath.Join(h.folder("kv"), "here"), h.folder("kv")+"\n")
	d.Crash("kv")
}
