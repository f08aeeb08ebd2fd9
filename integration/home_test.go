//go:build unix

package integration

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

func number(n int) *int { return &n }

// patient is for a service that must not fail a check, although the machine may be busy.
const patient = `health-timeout = "1m"`

// A Home is a folder of packages of the fake service.
type Home struct {
	t   testing.TB
	Dir string
}

// newHome returns an empty home. A process that was started from it and outlives the test is
// killed, and is an error.
func newHome(t testing.TB) *Home {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil { // another user's daemon may use it
		t.Fatal(err)
	}
	return homeAt(t, dir)
}

// homeAt is newHome in a given folder.
func homeAt(t testing.TB, dir string) *Home {
	t.Helper()
	noteSources()
	h := &Home{t, dir}
	t.Cleanup(h.checkNothingLeft)
	return h
}

// Install makes a package on a free port, which it returns. extra is appended to the [service]
// table.
func (h *Home) Install(name string, b Behaviour, extra ...string) int {
	h.t.Helper()
	port := freePort(h.t)
	h.InstallAt(name, port, b, extra...)
	return port
}

// InstallAt is Install on a given port. It writes the receipt last: a daemon that looks for eager
// packages sees all of the package or nothing.
func (h *Home) InstallAt(name string, port int, b Behaviour, extra ...string) {
	h.t.Helper()
	keys := strings.Join(extra, "\n")
	if !strings.Contains(keys, "start-timeout") {
		keys += "\nstart-timeout = \"1m\"" // the machine may be busy
	}
	if b.FlushOnTerm+b.ChildFlushes > 0 && !strings.Contains(keys, "stop-timeout") {
		keys += "\nstop-timeout = \"1m\""
	}
	h.Write(fmt.Sprintf("store/%s/1.0.0/package.toml", name), fmt.Sprintf(
		"name = %q\nversion = \"1.0.0\"\nbinary = \"fake\"\n[service]\nstart = \"fake --listen=:{port}\"\nport = %d\n%s\n",
		name, port, keys))
	h.Behave(name, b)
	if err := os.Symlink(fakePath, filepath.Join(h.folder(name), "fake")); err != nil && !errors.Is(err, os.ErrExist) {
		h.t.Fatal(err)
	}
	h.Write(fmt.Sprintf("modules/%s.json", name), `{"schema":1,"current":"1.0.0","active":true,"versions":{}}`)
}

// InstallScript is Install with a shell script as the program. The fake is beside it.
func (h *Home) InstallScript(name, script string, extra ...string) (port int) {
	h.t.Helper()
	port = h.Install(name, Behaviour{}, extra...)
	definition := fmt.Sprintf("store/%s/1.0.0/package.toml", name)
	h.Write(definition, strings.ReplaceAll(readFile(h.t, filepath.Join(h.Dir, definition)), "fake", "serve"))
	write(h.t, filepath.Join(h.folder(name), "serve"), script)
	return port
}

// Behave changes what an installed fake does, mostly from the next connection or start.
func (h *Home) Behave(name string, b Behaviour) {
	h.t.Helper()
	data, err := json.Marshal(b)
	if err != nil {
		h.t.Fatal(err)
	}
	h.Write(fmt.Sprintf("store/%s/1.0.0/behave", name), string(data))
}

// Write writes a file in the home, and makes the folders above it. Readers see all of the file or
// nothing.
func (h *Home) Write(path, content string) {
	h.t.Helper()
	path = filepath.Join(h.Dir, path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		h.t.Fatal(err)
	}
	if err := writeFile(path+".new", content, 0o644); err != nil {
		h.t.Fatal(err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		h.t.Fatal(err)
	}
}

// writeFile is os.WriteFile while no process is forked. That process would have the file open for
// writing, and a program that is open for writing cannot be executed.
func writeFile(path, content string, mode os.FileMode) error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	return os.WriteFile(path, []byte(content), mode)
}

func (h *Home) folder(name string) string { return filepath.Join(h.Dir, "store", name, "1.0.0") }

// Events returns what the fake has noted, as "PID what".
func (h *Home) Events(name string) []string {
	data, err := os.ReadFile(filepath.Join(h.folder(name), "events"))
	if err != nil {
		return nil
	}
	return strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
}

// Pids returns the processes of a package that have noted what, oldest first. "start" is a leader,
// "child" a child of one.
func (h *Home) Pids(name, what string) []int {
	var pids []int
	for _, event := range h.Events(name) {
		number, said, _ := strings.Cut(event, " ")
		if said == what || strings.HasPrefix(said, what+" ") {
			pid, _ := strconv.Atoi(number)
			pids = append(pids, pid)
		}
	}
	return pids
}

// WaitEvent waits until a process of a package has noted what, and returns the newest such process.
func (h *Home) WaitEvent(name, what string) int {
	h.t.Helper()
	eventually(h.t, fmt.Sprintf("%q of %s", what, name), func() bool { return h.Last(name, what) != 0 })
	return h.Last(name, what)
}

// Last returns the newest process of a package that has noted what, or 0.
func (h *Home) Last(name, what string) int {
	pids := h.Pids(name, what)
	if len(pids) == 0 {
		return 0
	}
	return pids[len(pids)-1]
}

// Kill sends SIGKILL to the newest process of a package, which it returns.
func (h *Home) Kill(name string) (pid int) {
	h.t.Helper()
	pid = h.Last(name, "start")
	if pid <= 0 {
		h.t.Fatalf("there is no process of %s to kill", name)
	}
	syscall.Kill(pid, syscall.SIGKILL)
	return pid
}

func (h *Home) checkNothingLeft() {
	folders, _ := filepath.Glob(filepath.Join(h.Dir, "store", "*"))
	for _, folder := range folders {
		name := filepath.Base(folder)
		for _, event := range h.Events(name) {
			number, what, _ := strings.Cut(event, " ")
			pid, _ := strconv.Atoi(number)
			if alive(pid) && h.owns(pid) {
				h.t.Errorf("process %d of %s (%s) outlived the test", pid, name, what)
				syscall.Kill(pid, syscall.SIGKILL)
			}
		}
	}
}

// owns reports whether a process runs a program of this home. After its end, its number may belong
// to any other process.
func (h *Home) owns(pid int) bool {
	return strings.HasPrefix(commandLine(pid), h.Dir+"/")
}

// commandLine returns the arguments of a process. Their separator depends on the system.
func commandLine(pid int) string {
	if _, err := os.Stat("/proc/self/cmdline"); err == nil {
		line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		return string(line)
	}
	line, _ := exec.Command("ps", "-o", "args=", "-p", strconv.Itoa(pid)).Output()
	return string(line)
}

// alive reports whether a process exists and is not a zombie.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err == nil {
		_, rest, _ := strings.Cut(string(stat), ") ")
		return !strings.HasPrefix(rest, "Z") && !strings.HasPrefix(rest, "X")
	}
	if _, err := os.Stat("/proc/self"); err == nil {
		return false
	}
	return syscall.Kill(pid, 0) == nil // this system has no /proc
}
