//go:build unix

package process

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The processes of these tests are the test binary itself, run again with its
// role as the first argument.
const rolePrefix = "role="

// roles take the rest of the arguments, and return the exit status.
var roles = map[string]func(args []string) int{
	"exit": func(args []string) int {
		n, _ := strconv.Atoi(args[0])
		return n
	},
	"sleep": func(args []string) int {
		note(args[0], fmt.Sprint(os.Getpid()))
		select {}
	},
	"ignore-term": func(args []string) int {
		signal.Ignore(syscall.SIGTERM)
		note(args[0], fmt.Sprint(os.Getpid()))
		select {}
	},
	// parent starts a sleeping child in its own group, and exits when the child sleeps.
	"parent": func(args []string) int {
		child := exec.Command(os.Args[0], rolePrefix+args[1], args[0])
		if err := child.Start(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		for read(args[0]) == "" {
			time.Sleep(time.Millisecond)
		}
		return 3
	},
	// wrapper is a shell without exec: it ends at once, its child takes SIGTERM and goes on.
	"wrapper": func(args []string) int {
		child := exec.Command(os.Args[0], rolePrefix+"flush", args[0])
		if err := child.Start(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		select {}
	},
	"flush": func(args []string) int {
		terms := make(chan os.Signal, 1)
		signal.Notify(terms, syscall.SIGTERM)
		note(args[0], fmt.Sprint(os.Getpid()))
		<-terms
		note(args[0], "asked")
		select {}
	},
	// mover leaves its group for the one of its parent.
	"mover": func(args []string) int {
		group, err := syscall.Getpgid(os.Getppid())
		if err == nil {
			err = syscall.Setpgid(0, group)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		note(args[0], fmt.Sprint(os.Getpid()))
		select {}
	},
	"environment": func(args []string) int {
		note(args[0], strings.Join(os.Environ(), "\n"))
		return 0
	},
}

func TestMain(m *testing.M) {
	Stage()
	if len(os.Args) > 1 {
		if name, ok := strings.CutPrefix(os.Args[1], rolePrefix); ok {
			go func() { // nothing outlives a test that died
				time.Sleep(5 * time.Minute)
				os.Exit(99)
			}()
			os.Exit(roles[name](os.Args[2:]))
		}
	}
	os.Exit(m.Run())
}

// note writes text to path, so that a reader sees all of it or nothing. Without a path
// it does nothing.
func note(path, text string) {
	if path == "" {
		return
	}
	if os.WriteFile(path+".new", []byte(text), 0o644) == nil {
		os.Rename(path+".new", path)
	}
}

func read(path string) string {
	data, _ := os.ReadFile(path)
	return string(data)
}

// eventually polls until cond holds.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !cond(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// start runs a role; path is the file in which it notes things.
func start(t *testing.T, s *Starter, role string, args ...string) (p *Process, path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "note")
	p, err := s.Start(command(os.Args[0], append([]string{rolePrefix + role, path}, args...)...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	return p, path
}

func command(path string, args ...string) Command {
	return Command{Name: "test", Dir: "/", Path: path, Args: args}
}

// noted waits for what a role notes.
func noted(t *testing.T, path string) string {
	t.Helper()
	eventually(t, "the note of a process", func() bool { return read(path) != "" })
	return read(path)
}

func notedPid(t *testing.T, path string) int {
	t.Helper()
	pid, err := strconv.Atoi(noted(t, path))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// alive tells whether pid is a process, a zombie not counted where the
// system shows it.
func alive(pid int) bool {
	if syscall.Kill(pid, 0) == syscall.ESRCH {
		return false
	}
	_, rest, _ := strings.Cut(read(fmt.Sprintf("/proc/%d/stat", pid)), ") ")
	return !strings.HasPrefix(rest, "Z")
}

func wantExit(t *testing.T, p *Process, want string) {
	t.Helper()
	if got := p.Wait(); got != want {
		t.Errorf("exited with %q, want %q", got, want)
	}
}

// A helper is a run of the test binary in a role that starts processes of
// its own, and talks over its standard input and output.
type helper struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func startHelper(t *testing.T, cmd *exec.Cmd) *helper {
	t.Helper()
	h := &helper{cmd: cmd}
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	h.in, h.out = in, bufio.NewReader(out)
	t.Cleanup(func() {
		in.Close()
		cmd.Process.Kill()
		cmd.Wait()
	})
	return h
}

func (h *helper) line(t *testing.T) string {
	t.Helper()
	line, err := h.out.ReadString('\n')
	if err != nil {
		t.Fatalf("the helper ended early: %v", err)
	}
	return strings.TrimSuffix(line, "\n")
}
