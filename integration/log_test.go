//go:build linux

package integration

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// brokenLog starts zrd with a log of which only the first line, with the address, is read. What
// then becomes of the pipe is up to spoil.
func brokenLog(t *testing.T, h *Home, spoil func(r, w *os.File)) *Daemon {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	d := &Daemon{t: t, Home: h, Log: &Log{}, Cmd: exec.Command(zrdPath, "-home", h.Dir, "-addr", "127.0.0.1:0"), done: make(chan struct{})}
	d.Cmd.Stderr = w
	if err := d.Cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Cmd.Process.Kill() })
	go func() {
		defer close(d.done)
		d.Cmd.Wait()
	}()
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	d.Addr = strings.TrimSpace(strings.TrimPrefix(line, "daemon: listening on "))
	spoil(r, w)
	return d
}

// A log that nobody reads, or that nobody reads on, costs its lines and nothing else.
func TestBrokenLog(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(r, w *os.File){
		"the reader went away": func(r, w *os.File) { r.Close(); w.Close() },
		"the reader stopped":   fillPipe,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHome(t)
			port := h.Install("kv", Behaviour{})
			d := brokenLog(t, h, spoil)
			d.MustStart("kv", port)
			for i := range 3 { // each with lines for the log
				h.Kill("kv")
				eventually(t, "a restart", func() bool { return len(h.Pids("kv", "listen")) == 2*i+2 })
				d.WaitStatus(`"running"`)
				want(t, "a stop", d.Stop("kv"), `{"ok":true}`+"\n")
				d.MustStart("kv", port)
			}
			want(t, "no request", d.Ask("x"), `{"ok":false,"error":"invalid daemon request: not a JSON object"}`+"\n")
			want(t, "the shutdown", d.Ask(`{"request":"shutdown"}`), `{"ok":true}`+"\n")
			d.WaitExit(0)
		})
	}
}

// fillPipe writes until the pipe is full, and stays stuck until it is closed.
func fillPipe(_, w *os.File) {
	size, _, _ := syscall.Syscall(syscall.SYS_FCNTL, w.Fd(), syscall.F_GETPIPE_SZ, 0)
	go io.WriteString(w, strings.Repeat("x", int(size)))
}

// Services start with no signal ignored or blocked, whatever the daemon inherited or does about a broken
// log. The service is a shell script, as a Go program changes its own signals before it can look.
func TestServicesIgnoreNoSignal(t *testing.T) {
	t.Parallel()
	for name, prefix := range map[string]string{"plainly": "", "under nohup and more": "trap '' HUP PIPE USR1 TERM INT; "} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHome(t)
			port := h.Install("kv", Behaviour{})
			script := filepath.Join(h.folder("kv"), "fake.sh")
			h.Write("store/kv/1.0.0/fake.sh", "#!/bin/sh\nwhile read -r line; do echo \"$line\"; done < /proc/self/status > \"$0.status\"\nexec \"${0%.sh}\" \"$@\"\n")
			if err := os.Chmod(script, 0o755); err != nil {
				t.Fatal(err)
			}
			h.Write("store/kv/1.0.0/package.toml", fmt.Sprintf("name = \"kv\"\nversion = \"1.0.0\"\nbinary = \"fake.sh\"\n[service]\nport = %d\n", port))
			d := startCommand(t, h, exec.Command("sh", "-c", prefix+`exec "$@"`, "sh", zrdPath, "-home", h.Dir, "-addr", "127.0.0.1:0"))
			d.MustStart("kv", port)
			status, err := os.ReadFile(script + ".status")
			if err != nil {
				t.Fatal(err)
			}
			for _, field := range []string{"SigIgn", "SigBlk"} {
				if !strings.Contains(string(status), field+":\t0000000000000000\n") {
					t.Errorf("the service starts with other signals than none in %s:\n%s", field, status)
				}
			}
		})
	}
}
