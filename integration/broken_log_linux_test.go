package integration

import (
	"bufio"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"
)

// startBrokenLog starts zrd and reads the first line of its log, which has the address. Then spoil
// may do anything to the pipe.
func startBrokenLog(t *testing.T, h *Home, spoil func(r, w *os.File)) *Daemon {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(); w.Close() })
	d := &Daemon{t: t, Home: h, Log: &Log{}, Cmd: daemonCommand(h), done: make(chan struct{})}
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
	d.Addr = address(line)
	spoil(r, w)
	return d
}

// A log without a reader, or with a reader that has stopped, loses lines and does no other harm.
func TestBrokenLog(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(r, w *os.File){
		"reader has closed":  func(r, w *os.File) { r.Close(); w.Close() },
		"reader has stopped": fillPipe,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHome(t)
			port := h.Install("kv", Behaviour{})
			d := startBrokenLog(t, h, spoil)
			d.MustStart("kv", port)
			for range 3 { // each with lines for the log
				d.Crash("kv")
				d.MustStop("kv")
				d.MustStart("kv", port)
			}
			want(t, "no request", d.Ask("x"), `{"ok":false,"error":"invalid daemon request: not a JSON object"}`+"\n")
			want(t, "the shutdown", d.Ask(`{"request":"shutdown"}`), okLine)
			d.WaitExit(0)
		})
	}
}

// fillPipe writes until the pipe is full, and is stuck until it is closed.
func fillPipe(_, w *os.File) {
	size, _, _ := syscall.Syscall(syscall.SYS_FCNTL, w.Fd(), syscall.F_GETPIPE_SZ, 0)
	go io.WriteString(w, strings.Repeat("x", int(size)))
}
