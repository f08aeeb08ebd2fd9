//go:build unix

package integration

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The programs under test, built once by TestMain.
var zrdPath, zrctlPath, fakePath string

// runMark is the environment variable that all processes of this run inherit. Its value is the run's
// own folder, so that no other run has the same.
var runMark string

func TestMain(m *testing.M) {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP) // under nohup, or the daemons would ignore it as well
	syscall.Umask(0o022)                                   // a second user runs the programs
	os.Setenv("LC_ALL", "C")                               // a shell warns of a locale that is not installed
	overlap()
	status, err := runTests(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		status = 1
	}
	os.Exit(status)
}

// runTests runs the tests with the programs and all temporary files in one folder. The guard removes the
// folder in the end, and kills what is left of the run, even if the test binary has crashed.
func runTests(m *testing.M) (status int, err error) {
	dir, err := runFolder()
	if err != nil {
		return 1, err
	}
	programs := os.Getenv("ZR_TEST_PROGRAMS")
	if programs == "" {
		programs = dir
		err = buildPrograms(dir)
	}
	if err != nil {
		os.RemoveAll(dir)
		return 1, err
	}
	zrdPath, zrctlPath, fakePath = filepath.Join(programs, "zrd"), filepath.Join(programs, "zrctl"), filepath.Join(programs, "fake")
	runMark = "ZR_TEST_RUN=" + dir
	endGuard, err := startGuard(dir)
	if err != nil {
		os.RemoveAll(dir)
		return 1, err
	}
	os.Setenv("ZR_TEST_RUN", dir)
	os.Setenv("TMPDIR", dir)
	status = m.Run()
	return status, endGuard()
}

// runFolder makes the folder of the run. Its path is the one that the system shows, without symbolic links.
func runFolder() (string, error) {
	dir, err := os.MkdirTemp("", "zr-integration-")
	if err == nil {
		err = os.Chmod(dir, 0o755)
	}
	if err == nil {
		dir, err = filepath.Abs(dir)
	}
	if err == nil {
		dir, err = filepath.EvalSymlinks(dir)
	}
	return dir, err
}

func buildPrograms(dir string) error {
	args := []string{"build", "-buildvcs=false", "-o", dir}
	if raceEnabled {
		args = append(args, "-race")
	}
	out, err := exec.Command("go", append(args, "zr/zrd", "zr/zrctl", "zr/integration/fake")...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("cannot build the programs under test: %w\n%s", err, out)
	}
	return nil
}

// startGuard starts the process that cleans up after this run; see fake/guard.go. It is out of reach of a
// Ctrl-C at the terminal. The function that it returns fails if something is left of the tests.
func startGuard(dir string) (end func() error, err error) {
	guard := exec.Command(fakePath, "guard", dir)
	guard.Env = without(os.Environ(), "ZR_TEST_RUN")
	guard.Stderr = os.Stderr
	guard.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	in, err := guard.StdinPipe()
	if err == nil {
		err = guard.Start()
	}
	return func() error {
		io.WriteString(in, "ended")
		in.Close()
		return guard.Wait()
	}, err
}

// overlap lets more tests run at once than there are cores: they mostly wait.
// -parallel still wins.
func overlap() {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	tests := 6
	if raceEnabled { // the programs under test then need several times the processor time
		tests = 3
	}
	if !given {
		flag.Set("test.parallel", strconv.Itoa(min(tests*runtime.GOMAXPROCS(0), max(1, int(maxFiles()/128)))))
	}
}

// maxFiles is how many descriptors this process may have.
func maxFiles() uint64 {
	var limit syscall.Rlimit
	syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit)
	return uint64(limit.Cur)
}

// needFiles skips a test that opens so many descriptors at once, where that would leave other tests too few.
func needFiles(t *testing.T, n uint64) {
	t.Helper()
	if have := maxFiles(); have < 2*n {
		t.Skipf("this test needs %d descriptors, and the test binary may have %d in all", n, have)
	}
}

// noteSources looks at the sources of the programs: go test takes an old result for
// good while nothing has changed that a test, and not only TestMain, looked at.
var noteSources = sync.OnceFunc(func() {
	filepath.WalkDir("..", func(path string, entry fs.DirEntry, _ error) error {
		if entry != nil && entry.Name() == ".git" && entry.IsDir() {
			return fs.SkipDir
		}
		if strings.HasSuffix(path, ".go") {
			os.Stat(path)
		}
		return nil
	})
})

// A Log collects what a daemon and its services say on standard error.
type Log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// limit is how long anything may take before a test gives up on it. It is no expectation:
// machines are slow and busy.
const limit = 60 * time.Second

// eventually polls until cond holds.
func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !cond(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

func want(t testing.TB, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%.1000s:\n got %.1000q\nwant %.1000q", what, got, want)
	}
}

// freePort returns a port that is free and nobody else's until the end of the test. It is below
// the range from which systems pick local ports of connections, which would take
// one away at any moment.
func freePort(t testing.TB) int {
	t.Helper()
	for {
		port := 10000 + rand.IntN(22000)
		if port == 19100 {
			continue
		}
		// The UDP port of this number tells other tests, of other processes as well, that it is taken.
		reserved, err := net.ListenPacket("udp4", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		t.Cleanup(func() { reserved.Close() })
		if free(port) {
			return port
		}
	}
}

// free tells whether a port can be listened on. No process may be forked meanwhile: it would hold
// the port until it becomes the program that it is to be.
func free(port int) bool {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	l, err := net.Listen("tcp", fmt.Sprintf(":%d", port))
	if err == nil {
		l.Close()
	}
	return err == nil
}
