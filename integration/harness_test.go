//go:build unix

package integration

import (
	"bytes"
	"flag"
	"fmt"
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

func TestMain(m *testing.M) {
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP) // under nohup, or the daemons would ignore it as well
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "zr-integration-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		os.Chmod(dir, 0o755) // for tests with a second user
		overlap()
		args := []string{"build", "-o", dir}
		if raceEnabled {
			args = append(args, "-race")
		}
		build := exec.Command("go", append(args, "zr/zrd", "zr/zrctl", "zr/integration/fake")...)
		if out, err := build.CombinedOutput(); err != nil {
			fmt.Fprintf(os.Stderr, "cannot build the programs under test: %v\n%s", err, out)
			return 1
		}
		zrdPath, zrctlPath, fakePath = filepath.Join(dir, "zrd"), filepath.Join(dir, "zrctl"), filepath.Join(dir, "fake")
		return m.Run()
	}())
}

// overlap lets more tests run at once than there are cores: they mostly wait.
// -parallel still wins.
func overlap() {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		flag.Set("test.parallel", strconv.Itoa(8*runtime.GOMAXPROCS(0)))
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
