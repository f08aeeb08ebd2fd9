//go:build unix

package integration

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// Each error of a start that is not about the behaviour of the service, byte for byte. If its
// definition could be read, the service is listed with the reason.
func TestStartErrors(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	d := startDaemon(t, h)
	h.Install("library", Behaviour{})
	h.Write("store/library/1.0.0/package.toml", "name = \"library\"\nversion = \"1.0.0\"\nbinary = \"fake\"\n")
	h.Install("portless", Behaviour{})
	h.Write("store/portless/1.0.0/package.toml", "binary = \"fake\"\n[service]\nstart = \"fake\"\n")
	h.Install("data", Behaviour{})
	h.Write("store/data/1.0.0/package.toml", "[service]\nport = 9200\n")
	port := h.Install("gone", Behaviour{})
	gone := filepath.Join(h.folder("gone"), "fake")
	if err := os.Remove(gone); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct{ request, why string }{
		{`{"request":"start-service"}`, "missing service name"},
		{`{"request":"start-service","name":null}`, "missing service name"},
		{`{"request":"start-service","name":""}`, "missing service name"},
		{`{"request":"start-service","name":"nobody"}`, "package 'nobody' not found"},
		{`{"request":"start-service","name":"library"}`, "package 'library' has no service section"},
		{`{"request":"start-service","name":"portless"}`, "service 'portless' has no port configured"},
		{`{"request":"start-service","name":"data"}`, "package 'data' has no binary"},
		{`{"request":"start-service","name":"gone"}`, "binary not found: " + gone},
	} {
		want(t, row.request, d.Ask(row.request), errorLine(row.why))
	}
	want(t, "status", d.Status(), statusLine(entry("data", 9200, "failed"), entry("gone", port, "failed")))
	d.WaitError("data", "package 'data' has no binary")
	d.WaitError("gone", "binary not found: "+gone)
	for _, name := range []string{"library", "portless", "nobody"} {
		want(t, "the log about "+name, d.logOf(name), "")
	}
}

// Files that exist but cannot be executed.
func TestBinariesThatCannotRun(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	d := startDaemon(t, h)
	for _, row := range []struct {
		name, content string
		mode          os.FileMode
		why           string
	}{
		{"not-executable", "#!/bin/sh\n", 0o644, "permission denied: it is not executable (chmod +x)"},
		{"not-a-program", "\x00\x01\x02\x03", 0o755, "exec format error"},
		{"empty", "", 0o755, "exec format error"},
		{"no-interpreter", "#!/nonexistent/interpreter\n", 0o755, "no such file or directory: the interpreter or loader that it names"},
		{"bad-interpreter", "#!/etc/passwd\n", 0o755, "permission denied: its mode allows it, but the interpreter or loader that it names, or a policy, does not"},
		{"a-fifo", "", os.ModeNamedPipe | 0o755, "permission denied: it is not a regular file"},
		{"a-folder", "", 0, "permission denied: it is a folder"},
	} {
		port := h.Install(row.name, Behaviour{})
		binary := filepath.Join(h.folder(row.name), "fake")
		replace(t, binary, row.content, row.mode)
		want(t, row.name, d.Start(row.name), errorLine("failed to spawn service: "+binary+": "+row.why))
		d.WaitStatus(entry(row.name, port, "failed"))
	}
}

// replace replaces a file, or for mode 0 puts a folder in its place, or a FIFO.
func replace(t *testing.T, path, content string, mode os.FileMode) {
	t.Helper()
	err := os.Remove(path)
	if err == nil && mode == 0 {
		err = os.Mkdir(path, 0o755)
	} else if err == nil && mode&os.ModeNamedPipe != 0 {
		err = syscall.Mkfifo(path, 0o755)
	} else if err == nil {
		err = writeFile(path, content, mode)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// held returns the error about a port that a process holds.
func held(port, pid int, command string) string {
	if runtime.GOOS != "linux" {
		return fmt.Sprintf("port %d is held by another process", port)
	}
	return fmt.Sprintf("port %d is held by pid %d (%s)", port, pid, command)
}

func ownCommand() string {
	comm, _ := os.ReadFile("/proc/self/comm")
	return strings.TrimSpace(string(comm))
}

// A listener that would get the connections to the service is named before the spawn. A listener on
// another address does no harm.
func TestPortTakenBeforeTheStart(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	d := startDaemon(t, h)
	for i, address := range []string{"127.0.0.1", "", "127.0.0.2", "::1"} {
		name := fmt.Sprint("kv-", i)
		port := h.Install(name, Behaviour{})
		l, err := net.Listen("tcp", net.JoinHostPort(address, strconv.Itoa(port)))
		if err != nil {
			t.Logf("cannot try a port that is taken on %s: %v", address, err) // some systems do not have this address
			continue
		}
		if strings.HasSuffix(address, "2") || address == "::1" {
			d.MustStart(name, port)
			l.Close()
			continue
		}
		// A process that another test is just starting may hold the port too.
		taken := errorLine(held(port, os.Getpid(), ownCommand()))
		eventually(t, taken, func() bool { return d.Start(name) == taken })
		d.WaitStatus(entry(name, port, "failed"))
		if events := h.Events(name); len(events) > 0 {
			t.Errorf("the port on %s was taken, and the service was started: %q", address, events)
		}
		l.Close()
		eventually(t, name, func() bool { return d.Start(name) == portLine(port) })
		d.MustStop(name)
	}
}

// The error about a port of another service has that service's name.
func TestPortOfAnotherService(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	port := h.Install("web", Behaviour{ListenNever: true})
	h.InstallAt("kv", port, Behaviour{})
	d := startDaemon(t, h)
	first := d.CtlAsync("start", "web")
	h.WaitEvent("web", "start") // it has not bound its port yet
	want(t, "start of kv while web starts", d.Start("kv"), errorLine(fmt.Sprintf("port %d is held by service 'web'", port)))
	h.Behave("web", Behaviour{})
	want(t, "start of web", <-first, portLine(port))
	why := held(port, h.Last("web", "start"), "fake") + ", service 'web'"
	if runtime.GOOS != "linux" {
		why = fmt.Sprintf("port %d is held by service 'web'", port)
	}
	want(t, "start of kv", d.Start("kv"), errorLine(why))
	want(t, "status", d.Status(), statusLine(entry("kv", port, "failed"), entry("web", port, "running")))
	d.MustStop("web")
	d.MustStart("kv", port)
	if starts := h.Pids("kv", "start"); len(starts) != 1 {
		t.Errorf("kv was started %d times, want once", len(starts))
	}
}
