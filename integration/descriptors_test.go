//go:build linux

package integration

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// limited runs zrd with no more than n descriptors.
func limited(t *testing.T, h *Home, n int) *Daemon {
	t.Helper()
	script := fmt.Sprintf(`ulimit -n %d; exec "$@"`, n)
	return startCommand(t, h, exec.Command("sh", "-c", script, "sh", zrdPath, "-home", h.Dir, "-addr", "127.0.0.1:0"))
}

// When clients and services want more descriptors than there are, the daemon goes on without
// spinning: good clients are served, a service that crashes comes back, and when the clients
// are gone all is as before. Few services leave room for as many clients as
// the daemon takes at once; many do not, so that accept itself fails.
func TestTooFewDescriptors(t *testing.T) {
	t.Parallel()
	needFiles(t, 500)
	for _, services := range []int{3, 20} {
		t.Run(fmt.Sprint(services, " services"), func(t *testing.T) {
			t.Parallel()
			h := newHome(t)
			d := limited(t, h, 64)
			for i := range services {
				name := fmt.Sprintf("s%d", i)
				d.MustStart(name, h.Install(name, Behaviour{}))
			}
			rest := restingDescriptors(t, d)
			crowd := connect(d, 200)
			began, used := time.Now(), processorTime(t, d.Pid())
			d.MustPing()
			if s := d.Crash("s0"); s.Failures > 1 {
				t.Errorf("a lack of descriptors was counted as a failure: %+v", s)
			}
			d.MustPing()
			time.Sleep(time.Until(began.Add(3 * time.Second))) // long enough for a spin to show
			took := time.Since(began)
			if used = processorTime(t, d.Pid()) - used; used > took/3 && !raceEnabled {
				t.Errorf("the daemon used %v in %v", used, took)
			}
			if n := strings.Count(d.Log.String(), "\n"); n > services+20+int(took.Seconds()) {
				t.Errorf("%d lines in the log", n)
			}
			if services == 3 && strings.Contains(d.Log.String(), "accept error") {
				t.Error("clients took the descriptors that are left for services")
			}
			for _, conn := range crowd {
				conn.Close()
			}
			eventually(t, "the resting number of descriptors", func() bool { return descriptors(t, d.Pid()) <= rest })
		})
	}
}
