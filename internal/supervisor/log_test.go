package supervisor

import (
	"errors"
	"strings"
	"testing"
	"time"

	"zr/internal/packages"
)

// Only this test knows the words of the log. SPEC.md has most of them.
func TestLog(t *testing.T) {
	for _, c := range []struct {
		name string
		run  func(w *world)
		want string
	}{
		{"start, restart and stop", func(w *world) {
			w.up("kv")
			w.crash()
			w.wait(backoff(1))
			p := w.last()
			w.set(func() { p.deaf = true })
			w.stop("kv")
			w.stop("kv")
		}, `
			started service 'kv' on port 9200
			service 'kv' unhealthy (failure 1/5): exit status 1
			restarting 'kv' in BACKOFF 1
			service 'kv' restarted successfully
			stopping service 'kv'
		`},
		{"restarts that fail", func(w *world) {
			w.upAfter(2, "kv")
			w.log.Reset()
			w.set(func() { w.setup = func(p *proc) { p.ready = time.Hour } })
			w.crash()
			w.wait(backoff(3))
			w.set(func() { w.spawnErr = errors.New("no") })
			w.wait(time.Minute)
			w.stop("kv")
		}, `
			service 'kv' unhealthy (failure 3/5): exit status 1
			restarting 'kv' in BACKOFF 3
			service 'kv' failed health check after restart
			service 'kv' unhealthy (failure 4/5): health check timeout: connection refused
			restarting 'kv' in BACKOFF 4
			failed to restart 'kv': no
			service 'kv' unhealthy (failure 5/5): no
			service 'kv' marked as failed after 5 consecutive failures
		`},
		{"a stop before the program is executed", func(w *world) {
			w.setup = func(p *proc) { p.loads, p.deaf = time.Second, true }
			w.start("kv")
			w.stop("kv")
			w.wait(time.Minute)
		}, `
			stopping service 'kv'
		`},
		{"a start that fails", func(w *world) {
			w.set(func() { w.spawnErr = errors.New("no") })
			w.start("kv")
			w.start("unknown")
			w.stop("unknown")
		}, `
			failed to start 'kv': no
		`},
		{"an eager start that fails", func(w *world) { w.startEager("unknown") }, `
			failed to start 'unknown': package 'unknown' not found
			service 'unknown' unhealthy (failure 1/5): package 'unknown' not found
			restarting 'unknown' in BACKOFF 1
		`},
		{"a tolerated check and a stuck process", func(w *world) {
			w.change("kv", func(pkg *packages.Service) {
				pkg.HealthRetries, pkg.Warnings = 1, []string{"package.toml: unknown key"}
			})
			p := w.up("kv")
			w.set(func() { p.immortal, p.deaf = true, true })
			w.failCheck("kv")
			w.wait(time.Minute)
		}, `
			package.toml: unknown key
			started service 'kv' on port 9200
			service 'kv' failed a check (1 of 1 tolerated): ill
			service 'kv' unhealthy (failure 1/5): ill
			restarting 'kv' in BACKOFF 1
			service 'kv': process 101 is still there 5s after SIGKILL, stuck in the kernel or not the daemon's to kill
		`},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				c.run(w)
				want := strings.ReplaceAll(strings.TrimSpace(c.want)+"\n", "\t", "")
				for i, n := range []string{"1", "2", "3", "4"} {
					want = strings.ReplaceAll(want, "BACKOFF "+n, backoff(i+1).String())
				}
				if got := w.log.String(); got != want {
					t.Errorf("got:\n%s\nwant:\n%s", got, want)
				}
			})
		})
	}
}
