package health

import (
	"context"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"
)

// A probe leaves neither a descriptor nor a goroutine, however it ends. The test counts those of a
// whole program, so it runs as a separate one.
func TestProbeLeavesNothing(t *testing.T) {
	if os.Getenv("HEALTH_TEST_ALONE") == "" {
		t.Parallel()
		cmd := exec.Command(os.Args[0], "-test.run=^TestProbeLeavesNothing$", "-test.v")
		cmd.Env = append(os.Environ(), "HEALTH_TEST_ALONE=1", "GOGC=off") // a collection would close what was forgotten
		if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS") {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	ports := []int{
		serve(t, answer("HTTP/1.0 200 OK\r\n\r\n")), serve(t, answer("nonsense\n")), serve(t, answer("")),
		serve(t, func(conn net.Conn) { conn.(*net.TCPConn).SetLinger(0) }), 1,
	}
	answering := ports
	for _, behave := range misbehaviours {
		ports = append(ports, serve(t, behave))
	}
	round := func() {
		for _, port := range ports {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			probe(ctx, port, "/", timeout)
			cancel()
		}
		for _, port := range answering {
			poll(t, port, "/")
		}
	}
	round() // once first: the runtime opens its poller
	fds, goroutines := resting(t, 1<<30, 1<<30)
	for range 20 {
		round()
	}
	resting(t, fds, goroutines)
}

// resting waits until the program has at most that many descriptors and goroutines, and returns how
// many it has.
func resting(t *testing.T, maxFDs, maxGoroutines int) (fds, goroutines int) {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		names, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		fds, goroutines = len(names), runtime.NumGoroutine()
		if fds <= maxFDs && goroutines <= maxGoroutines {
			return fds, goroutines
		}
		if time.Now().After(end) {
			t.Fatalf("%d descriptors and %d goroutines at rest, there were %d and %d", fds, goroutines, maxFDs, maxGoroutines)
		}
	}
}
