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
		run  func(s *simulation)
		want string
	}{
		{"start, restart and stop", func(s *simulation) {
			s.up("kv")
			s.crash()
			s.wait(backoff(1))
			p := s.last()
			s.set(func() { p.deaf = true })
			s.stop("kv")
			s.stop("kv")
		}, `
			started service 'kv' on port 9200
			service 'kv' unhealthy (failure 1/5): exit status 1
			restarting 'kv' in BACKOFF 1
			service 'kv' restarted successfully
			stopping service 'kv'
		`},
		{"restarts that fail", func(s *simulation) {
			s.upAfter(2, "kv")
			s.log.Reset()
			s.set(func() { s.setup = func(p *proc) { p.ready = time.Hour } })
			s.crash()
			s.wait(backoff(3))
			s.set(func() { s.spawnErr = errors.New("no") })
			s.wait(time.Minute)
			s.stop("kv")
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
		{"a stop before the program is executed", func(s *simulation) {
			s.setup = func(p *proc) { p.loads, p.deaf = time.Second, true }
			s.start("kv")
			s.stop("kv")
			s.wait(time.Minute)
		}, `
			stopping service 'kv'
		`},
		{"a start that fails", func(s *simulation) {
			s.set(func() { s.spawnErr = errors.New("no") })
			s.start("kv")
			s.start("unknown")
			s.stop("unknown")
		}, `
			failed to start 'kv': no
		`},
		{"an eager start that fails", func(s *simulation) { s.startEager("unknown") }, `
			failed to start 'unknown': package 'unknown' not found
			service 'unknown' unhealthy (failure 1/5): package 'unknown' not found
			restarting 'unknown' in BACKOFF 1
		`},
		{"a tolerated check and a stuck process", func(s *simulation) {
			s.change("kv", func(pkg *packages.Service) {
				pkg.HealthRetries, pkg.Warnings = 1, []string{"package.toml: unknown key"}
			})
			p := s.up("kv")
			s.set(func() { p.immortal, p.deaf = true, true })
			s.failCheck("kv")
			s.wait(time.Minute)
		}, `
			package.toml: unknown key
			started service 'kv' on port 9200
			service 'kv' failed a check (1 of 1 tolerated): ill
			service 'kv' unhealthy (failure 1/5): ill
			restarting 'kv' in BACKOFF 1
			service 'kv': process 101 or its child is still there 5s after SIGKILL, stuck in the kernel or not the daemon's to kill
		`},
	} {
		t.Run(c.name, func(t *testing.T) {
			simulate(t, func(s *simulation) {
				c.run(s)
				want := strings.ReplaceAll(strings.TrimSpace(c.want)+"\n", "\t", "")
				for i, n := range []string{"1", "2", "3", "4"} {
					want = strings.ReplaceAll(want, "BACKOFF "+n, backoff(i+1).String())
				}
				if got := s.log.String(); got != want {
					t.Errorf("got:\n%s\nwant:\n%s", got, want)
				}
			})
		})
	}
}
