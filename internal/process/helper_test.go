//go:build unix

package process

import (
	"bufio"
	"fmt"
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

// The processes of these tests are the test binary itself, run with a role as its first argument.
const rolePrefix = "role="

// A role gets the remaining arguments and returns the exit status. If it starts with a path, the
// role writes a note to that file.
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
	// parent starts a child in its own group, and exits when the child has written its note.
	"parent": func(args []string) int {
		run(args[1], args[0])
		for read(args[0]) == "" {
			time.Sleep(time.Millisecond)
		}
		return 3
	},
	// wrapper is like a shell: SIGTERM ends it, while its child goes on.
	"wrapper": func(args []string) int {
		run("flush", args[0])
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
	// mover joins the group of its parent.
	"mover": func(args []string) int {
		group, err := syscall.Getpgid(os.Getppid())
		if err == nil {
			err = syscall.Setpgid(0, group)
		}
		fatal(err)
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
			go func() { // should the test die
				time.Sleep(5 * time.Minute)
				os.Exit(99)
			}()
			os.Exit(roles[name](os.Args[2:]))
		}
	}
	os.Exit(m.Run())
}

// run starts a role in the group of this process.
func run(role string, args ...string) {
	fatal(exec.Command(os.Args[0], append([]string{rolePrefix + role}, args...)...).Start())
}

// fatal ends a role because of an error.
func fatal(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// note writes text to path, so that a reader sees all of it or nothing. Without a path it does
// nothing.
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
			t.Fatalf("%s did not come", what)
		}
	}
}

// start runs a role, which writes its note to path.
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

// noted waits for the note of a role.
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

// alive reports whether pid is a process. A zombie does not count where /proc shows it.
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

// A helper is a run of the test binary in a role that starts processes and reports on its standard
// output.
type helper struct {
	cmd *exec.Cmd
	out *bufio.Reader
}

// startHelper starts a role, which ends when its standard input does.
func startHelper(t *testing.T, role string, args ...string) *helper {
	t.Helper()
	cmd := exec.Command(os.Args[0], append([]string{rolePrefix + role}, args...)...)
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
	t.Cleanup(func() {
		in.Close()
		cmd.Process.Kill()
		cmd.Wait()
	})
	return &helper{cmd, bufio.NewReader(out)}
}

func (h *helper) line(t *testing.T) string {
	t.Helper()
	line, err := h.out.ReadString('\n')
	if err != nil {
		t.Fatalf("the helper ended early: %v", err)
	}
	return strings.TrimSuffix(line, "\n")
}
