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

// The programs under test, which TestMain builds.
var zrdPath, zrctlPath, fakePath string

// runMark is in the environment of all processes of this run. Its value is the run's folder, so it
// is unique.
var runMark string

func TestMain(m *testing.M) {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP) // under nohup, the daemons would ignore it too
	syscall.Umask(0o022)                                   // a second user runs the programs
	os.Setenv("LC_ALL", "C")                               // a shell warns of a locale that is not installed
	runInParallel()
	status, err := runTests(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		status = 1
	}
	os.Exit(status)
}

// runTests runs the tests with the programs and all temporary files in one folder. In the end, and
// even if the test binary crashes, the guard kills what still runs and removes the folder.
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

// runFolder makes the folder of the run. Its path has no symbolic links.
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

// startGuard starts the process that cleans up after this run; see fake/guard.go. Ctrl-C at the
// terminal does not reach it. The function end fails if a process has outlived the tests.
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

// runInParallel lets more tests run at once than there are cores, because most of them wait.
// -parallel overrides it.
func runInParallel() {
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

// maxFiles returns how many descriptors this process may have.
func maxFiles() uint64 {
	var limit syscall.Rlimit
	syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit)
	return uint64(limit.Cur)
}

// needFiles skips a test that needs n descriptors at once if other tests would then have too few.
func needFiles(t *testing.T, n uint64) {
	t.Helper()
	if have := maxFiles(); have < 2*n {
		t.Skipf("this test needs %d descriptors, and the test binary may have %d in all", n, have)
	}
}

// noteSources makes the cached result of the tests depend on the sources of the programs: go test
// takes into account which files a test has looked at, but not which TestMain has.
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

// A Log collects what a program writes.
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

// limit is how long a test waits for anything. Machines are slow and busy, so it is generous.
const limit = 60 * time.Second

// eventually waits until cond holds.
func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(limit); !cond(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited %v for: %s", limit, what)
		}
	}
}

func want(t testing.TB, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%.1000s:\n got %.1000q\nwant %.1000q", what, got, want)
	}
}

// freePort returns a port that stays free until the end of the test. It is below the range from
// which systems take the local ports of connections.
func freePort(t testing.TB) int {
	t.Helper()
	for {
		port := 10000 + rand.IntN(22000)
		if port == 19100 {
			continue
		}
		// The UDP port with this number reserves it, for other test binaries too.
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

// free reports whether a port can be listened on. No process may be forked meanwhile, because it
// would hold the port until it executes its program.
func free(port int) bool {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	l, err := net.Listen("tcp", fmt.Sprintf(":%d", port))
	if err == nil {
		l.Close()
	}
	return err == nil
}

// together runs do for each index at once, and waits for all.
func together(n int, do func(int)) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { do(i) })
	}
	all.Wait()
}

// workers runs do for each index in n goroutines, and waits for all.
func workers(n, count int, do func(int)) {
	next := make(chan int)
	go func() {
		defer close(next)
		for i := range count {
			next <- i
		}
	}()
	together(n, func(int) {
		for i := range next {
			do(i)
		}
	})
}
