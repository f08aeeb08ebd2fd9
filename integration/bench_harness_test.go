//go:build linux

package integration

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// installed builds the programs as the README's command installs them, static and without the race
// detector, and the program that they are compared with.
var installed = sync.OnceValues(func() (string, error) {
	dir := filepath.Join(filepath.Dir(zrdPath), "installed") // TestMain removes it
	build := exec.Command("go", "build", "-o", dir+"/", "zr/zrd", "zr/zrctl", "zr/integration/bare")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return dir, nil
})

func program(b *testing.B, name string) string {
	b.Helper()
	dir, err := installed()
	if err != nil {
		b.Fatal(err)
	}
	return filepath.Join(dir, name)
}

// benchDaemon is startDaemon with the installed zrd.
func benchDaemon(b *testing.B, h *Home, args ...string) *Daemon {
	b.Helper()
	return startCommand(b, h, exec.Command(program(b, "zrd"), append([]string{"-home", h.Dir, "-addr", "127.0.0.1:0"}, args...)...))
}

// InstallBare makes a package of the bare service under the given program name.
func (h *Home) InstallBare(b *testing.B, name, binary string) (port int) {
	b.Helper()
	port = freePort(b)
	h.Write("store/"+name+"/1.0.0/package.toml", fmt.Sprintf("binary = %q\n[service]\nport = %d\n", binary, port))
	if err := os.Symlink(program(b, "bare"), filepath.Join(h.folder(name), binary)); err != nil && !errors.Is(err, os.ErrExist) {
		b.Fatal(err)
	}
	h.Write("modules/"+name+".json", `{"schema":1,"current":"1.0.0"}`)
	return port
}

// installMany returns the names of n new bare packages.
func (h *Home) installMany(b *testing.B, n int) []string {
	b.Helper()
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("s%d-%d", n, i)
		h.InstallBare(b, names[i], "bare")
	}
	return names
}

// startLoop runs the empty accept loop until the benchmark ends.
func startLoop(b *testing.B) (addr string, pid int) {
	b.Helper()
	cmd := exec.Command(program(b, "bare"), "loop")
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return strings.TrimSpace(line), cmd.Process.Pid
}

// cpuTime returns the processor time that a process has used, to the nanosecond.
func cpuTime(b *testing.B, pid int) time.Duration {
	b.Helper()
	const schedClock = 2 // CPUCLOCK_SCHED of the clock ids that are made from process ids
	var ts syscall.Timespec
	if _, _, errno := syscall.Syscall(syscall.SYS_CLOCK_GETTIME, uintptr(^pid<<3|schedClock), uintptr(unsafe.Pointer(&ts)), 0); errno != 0 {
		b.Fatalf("the processor time of process %d: %v", pid, errno)
	}
	return time.Duration(ts.Nano())
}

// procNumber returns a number from /proc/PID/status: "Threads", or "VmRSS" in kB.
func procNumber(b *testing.B, pid int, field string) int {
	b.Helper()
	n, err := strconv.Atoi(procStatus(b, pid, field))
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// exchange sends a line and reads the whole answer. It is the client of every figure.
func exchange(addr, line string) (string, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, line); err != nil {
		return "", err
	}
	answer, err := io.ReadAll(conn)
	return string(answer), err
}

const (
	askPing   = `{"request":"ping"}` + "\n"
	askStatus = `{"request":"status"}` + "\n"
)

// ping makes an exchange that must succeed.
func ping(addr string) error {
	answer, err := exchange(addr, askPing)
	if err == nil && answer != okLine {
		err = fmt.Errorf("ping: %q", answer)
	}
	return err
}

// fetch asks a service for its health as the daemon does.
func fetch(port int) error {
	answer, err := exchange(fmt.Sprintf("127.0.0.1:%d", port), "GET /health HTTP/1.0\r\n\r\n")
	if err == nil && !strings.HasPrefix(answer, "HTTP/1.0 200 ") {
		err = errors.New(answer)
	}
	return err
}

// each runs do for every item in so many goroutines.
func each[T any](b *testing.B, items []T, clients int, do func(T) error) {
	b.Helper()
	queue := make(chan T, len(items))
	for _, item := range items {
		queue <- item
	}
	close(queue)
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for item := range queue {
				if err := do(item); err != nil {
					b.Error(err)
				}
			}
		})
	}
	all.Wait()
	if b.Failed() {
		b.FailNow()
	}
}

// startAll starts these services from 8 clients. Of a thousand free ports, another program may have
// taken one. That service gets another port.
func startAll(b *testing.B, d *Daemon, names []string) {
	b.Helper()
	each(b, names, 8, func(name string) error {
		err := request(d, "start-service", name)
		if err != nil && strings.Contains(err.Error(), " is held by ") {
			d.Home.InstallBare(b, name, "bare")
			err = request(d, "start-service", name)
		}
		return err
	})
}

// stopAll stops these services from 8 clients.
func stopAll(b *testing.B, d *Daemon, names []string) {
	b.Helper()
	each(b, names, 8, func(name string) error { return request(d, "stop-service", name) })
}

func request(d *Daemon, what, name string) error {
	answer, err := exchange(d.Addr, fmt.Sprintf(`{"request":%q,"name":%q}`+"\n", what, name))
	if err == nil && !strings.HasPrefix(answer, `{"ok":true`) {
		err = fmt.Errorf("%s %s: %q", what, name, answer)
	}
	return err
}

// A sample is a list of times that were measured.
type sample []time.Duration

func (s *sample) time(do func() error) error {
	began := time.Now()
	err := do()
	*s = append(*s, time.Since(began))
	return err
}

func (s sample) median() time.Duration {
	slices.Sort(s)
	return s[len(s)/2]
}

// report prints a figure in a unit, the limit of the system for the same work, and the ratio.
func report(b *testing.B, name string, figure, limit, unit time.Duration) {
	b.ReportMetric(float64(figure)/float64(unit), name)
	b.ReportMetric(float64(limit)/float64(unit), "limit-"+name)
	b.ReportMetric(float64(figure)/float64(limit), "x-limit-"+name)
	b.ReportMetric(0, "ns/op") // of the whole benchmark, which means nothing
}
