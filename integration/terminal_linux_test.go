package integration

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unicode/utf8"
	"unsafe"
)

// A terminal is a zrctl on a new terminal.
type terminal struct {
	*watcher
	keys *os.File
}

// onTerminal runs zrctl in the foreground of a new terminal without a known size.
func onTerminal(t *testing.T, env []string, args ...string) *terminal {
	t.Helper()
	return onTerminalOf(t, 0, env, args...)
}

// onTerminalOf is onTerminal with so many columns.
func onTerminalOf(t *testing.T, columns uint16, env []string, args ...string) *terminal {
	t.Helper()
	keys, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip("no pseudo-terminals: ", err)
	}
	t.Cleanup(func() { keys.Close() })
	screen, err := os.OpenFile(otherEnd(t, keys), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skip("no pseudo-terminals: ", err)
	}
	defer screen.Close()
	size := [4]uint16{24, columns}
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, screen.Fd(), syscall.TIOCSWINSZ, uintptr(unsafe.Pointer(&size))); errno != 0 {
		t.Fatal(errno)
	}
	w := &watcher{t, exec.Command(zrctlPath, args...), &Log{}}
	w.cmd.Stdin, w.cmd.Stdout, w.cmd.Stderr = screen, screen, screen
	w.cmd.Env = append(without(without(os.Environ(), "NO_COLOR"), "TERM"), append([]string{"TERM=xterm"}, env...)...)
	w.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := w.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.cmd.Process.Kill() })
	go io.Copy(w.out, keys)
	return &terminal{w, keys}
}

// otherEnd unlocks the terminal that belongs to keys, and returns its path.
func otherEnd(t *testing.T, keys *os.File) string {
	t.Helper()
	conn, err := keys.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var number, unlock uint32
	conn.Control(func(fd uintptr) {
		syscall.Syscall(syscall.SYS_IOCTL, fd, syscall.TIOCSPTLCK, uintptr(unsafe.Pointer(&unlock)))
		_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, fd, syscall.TIOCGPTN, uintptr(unsafe.Pointer(&number)))
		if errno != 0 {
			err = errno
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint("/dev/pts/", number)
}

// On a terminal, -watch clears the screen and prints every second. Ctrl-C ends it with 0.
func TestWatchOnATerminal(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	port := h.Install("kv", Behaviour{})
	d := startDaemon(t, h)
	d.MustStart("kv", port)
	w := onTerminal(t, nil, "-addr", d.Addr, "status", "-watch")
	const cleared = "\x1b[H\x1b[2J"
	picture := fmt.Sprintf(cleared+"NAME  PORT   STATUS\r\nkv    %d  \x1b[32mrunning\x1b[0m\r\n", port)
	w.waitOut(picture + picture)
	d.MustStop("kv")
	w.waitOut(cleared + "no services\r\n")
	if _, err := w.keys.WriteString("\x03"); err != nil {
		t.Fatal(err)
	}
	w.wantExit(0)
}

// On a terminal too, lines of JSON follow each other.
func TestWatchLinesOnATerminal(t *testing.T) {
	t.Parallel()
	d := startDaemon(t, newHome(t))
	w := onTerminal(t, nil, "-addr", d.Addr, "status", "-watch", "-o", "json")
	line := strings.TrimSuffix(statusLine(), "\n") + "\r\n"
	w.waitOut(line + line)
	if strings.Contains(w.out.String(), "\x1b") {
		t.Errorf("escape sequences among JSON: %q", w.out)
	}
	if _, err := w.keys.WriteString("\x03"); err != nil {
		t.Fatal(err)
	}
	w.wantExit(0)
}

// A table has colours on a terminal, unless the environment says no.
func TestColours(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	port := h.Install("kv", Behaviour{})
	d := startDaemon(t, h)
	d.MustStart("kv", port)
	for _, row := range []struct {
		env    []string
		colour bool
	}{{nil, true}, {[]string{"NO_COLOR="}, true}, {[]string{"NO_COLOR=0"}, false}, {[]string{"TERM=dumb"}, false}} {
		w := onTerminal(t, row.env, "-addr", d.Addr, "status", "-o", "table")
		w.waitOut("running")
		w.wantExit(0)
		if got := strings.Contains(w.out.String(), "\x1b["); got != row.colour {
			t.Errorf("with %q: colour is %v, want %v: %q", row.env, got, row.colour, w.out)
		}
	}
	w := onTerminal(t, nil, "-addr", d.Addr, "status")
	w.waitOut(strings.TrimSuffix(statusLine(entry("kv", port, "running")), "\n") + "\r\n") // the reply stays as it came
	w.wantExit(0)
}

// zrctl says on a terminal, and only there, what takes longer than a second.
func TestWaitingOnATerminal(t *testing.T) {
	t.Parallel()
	var slow atomic.Bool
	release := make(chan bool)
	addr := serve(t, func(line string, c net.Conn) {
		switch {
		case slow.Load():
			time.Sleep(1500 * time.Millisecond)
		case strings.Contains(line, "slow"):
			<-release
		}
		io.WriteString(c, okLine)
	})
	w := onTerminal(t, nil, "-addr", addr, "start", "kv", "slow")
	w.waitOut("waiting for slow…\r\n")
	release <- true
	w.wantExit(0)
	w.waitOut("waiting for slow…\r\n" + `{"ok":true}`)
	slow.Store(true)
	wantResult(t, "start slow", ctl(t, "-addr", addr, "start", "slow"), result{okLine, "", 0})
}

// -watch clears nothing on a dumb terminal, or if there is no daemon.
func TestWatchThatClearsNothing(t *testing.T) {
	t.Parallel()
	d := startDaemon(t, newHome(t))
	w := onTerminal(t, []string{"TERM=dumb"}, "-addr", d.Addr, "status", "-watch")
	w.waitOut("no services\r\nno services\r\n")
	if _, err := w.keys.WriteString("\x03"); err != nil {
		t.Fatal(err)
	}
	w.wantExit(0)
	alone := onTerminal(t, nil, "-addr", fmt.Sprintf("127.0.0.1:%d", freePort(t)), "status", "-watch")
	alone.waitOut("error: no daemon on ")
	alone.wantExit(3)
	for _, w := range []*terminal{w, alone} {
		if strings.Contains(w.out.String(), "\x1b") {
			t.Errorf("escape sequences: %q", w.out)
		}
	}
}

// The last error is cut so that a row takes one line of the terminal, or two of a narrow one.
func TestWidthOfATerminal(t *testing.T) {
	t.Parallel()
	why := strings.Repeat("long words ", 40)
	reply := fmt.Sprintf(`{"ok":true,"services":[{"name":"kv","port":9200,"status":"failed","restarts":4,"failures":5,"version":"1","last_error":%q}]}`+"\n", why)
	addr := pretend(t, func(c net.Conn) { io.WriteString(c, reply) })
	for _, row := range []struct {
		columns uint16
		env     []string
		length  int
	}{{200, nil, 200}, {80, nil, 160}, {0, []string{"COLUMNS=150"}, 150}, {160, []string{"COLUMNS=150"}, 160}} {
		w := onTerminalOf(t, row.columns, append(row.env, "NO_COLOR=1"), "-addr", addr, "-o", "table", "status", "-v")
		eventually(t, "the row of kv", func() bool { return regexp.MustCompile(`\nkv .*…\r\n`).MatchString(w.out.String()) })
		w.wantExit(0)
		_, line, _ := strings.Cut(w.out.String(), "\nkv ")
		line, _, _ = strings.Cut("kv "+line, "\r\n")
		if utf8.RuneCountInString(line) != row.length {
			t.Errorf("%d columns, %v: %d characters, want %d: %q", row.columns, row.env, utf8.RuneCountInString(line), row.length, line)
		}
	}
	w := onTerminal(t, []string{"NO_COLOR=1"}, "-addr", addr, "-o", "table", "status", "-v")
	w.waitOut(strings.TrimRight(why, " ") + "\r\n") // the size is unknown
	w.wantExit(0)
	file := ctl(t, "-addr", addr, "-o", "table", "status", "-v")
	if !strings.Contains(file.out, strings.TrimRight(why, " ")+"\n") {
		t.Errorf("cut although there is no terminal: %q", file.out)
	}
}
