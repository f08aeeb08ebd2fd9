package supervisor

import (
	"errors"
	"reflect"
	"testing"
	"time"

	"zr/internal/packages"
)

// A service that dies soon after each start is given up after the fifth failure in a row.
func TestCrashLoop(t *testing.T) {
	simulate(t, func(s *simulation) {
		s.setup = func(p *proc) { p.dies = 300 * time.Millisecond }
		s.up("kv")
		for i := 1; i <= 4; i++ {
			s.at(300 * time.Millisecond)
			if info := s.info("kv"); info.Failures != i || info.RetryAt != time.Now().Add(backoff(i)) {
				t.Errorf("status after failure %d: %+v", i, info)
			}
			s.wait(backoff(i))
			s.zero = time.Now()
		}
		s.at(10 * time.Minute)
		s.expect(`
			exit 101: exit status 1
			restart kv 102 after failure 1: exit status 1
			exit 102: exit status 1
			restart kv 103 after failure 2: exit status 1
			exit 103: exit status 1
			restart kv 104 after failure 3: exit status 1
			exit 104: exit status 1
			0s restart kv 105 after failure 4: exit status 1
			300ms exit 105: exit status 1
		`)
		if info := s.info("kv"); info.Restarts != 4 || info.Failures != 5 || !info.RetryAt.IsZero() {
			t.Errorf("status in the end: %+v", info)
		}
		s.onlyFailed("kv", "exit status 1")
	})
}

// A restart that does not get healthy is the next failure. SIGTERM is sent at once, and SIGKILL
// when the back-off ends.
func TestRestartFails(t *testing.T) {
	for _, c := range []struct {
		name     string
		setup    func(*proc)
		spawnErr error
		lasts    time.Duration // until it fails
		want     string
	}{
		{"it cannot be spawned", nil, errors.New("binary not found: /kv"), 0, `
			0s restart kv fails after failure 1: exit status 1
			restart kv 102 after failure 2: binary not found: /kv
		`},
		{"it exits", func(p *proc) { p.ready, p.dies = time.Hour, time.Second }, nil, time.Second, `
			0s restart kv 102 after failure 1: exit status 1
			1s exit 102: exit status 1
			restart kv 103 after failure 2: exit status 1
		`},
		{"it hangs and ignores SIGTERM", func(p *proc) { p.takes, p.deaf = hangs, true }, nil, startTimeout, `
			0s restart kv 102 after failure 1: exit status 1
			10s SIGTERM 102
			SIGKILL 102
			exit 102: signal: killed
			restart kv 103 after failure 2: health check timeout: no answer to GET /health within 2 s
		`},
		{"another process answers", func(p *proc) { p.ill = &ForeignError{9200, "pid 49 (caddy)"} }, nil, 0, `
			0s restart kv 102 after failure 1: exit status 1
			0s SIGTERM 102
			0s exit 102: signal: terminated
			restart kv 103 after failure 2: port 9200 is held by pid 49 (caddy)
		`},
	} {
		t.Run(c.name, func(t *testing.T) {
			simulate(t, func(s *simulation) {
				s.up("kv")
				s.crash()
				s.forget()
				s.set(func() { s.setup, s.spawnErr = c.setup, c.spawnErr })
				s.wait(backoff(1))
				s.zero = time.Now()
				s.set(func() { s.setup, s.spawnErr = nil, nil })
				s.at(c.lasts + backoff(2) - 1)
				s.is("kv", "starting")
				s.at(c.lasts + backoff(2))
				s.expect(c.want)
				s.is("kv", "running")
			})
		})
	}
}

// The failures are forgotten by the first check that passes after ten seconds of health.
func TestTenSecondsOfHealthClearTheCount(t *testing.T) {
	for _, c := range []struct {
		name     string
		after    time.Duration // from its restart until it crashes or hangs
		hangs    bool
		failures int
	}{
		{"a crash just before", 10*time.Second - time.Millisecond, false, 2},
		{"a crash just after", 10*time.Second + 50*time.Millisecond, false, 1},
		{"a check without an answer", 9 * time.Second, true, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			simulate(t, func(s *simulation) {
				p := s.upAfter(1, "kv")
				s.at(c.after)
				if c.hangs {
					s.set(func() { p.takes = hangs })
					s.at(11900 * time.Millisecond)
					if n := s.info("kv").Failures; n != 1 {
						t.Errorf("%d failures before the check's timeout, want 1", n)
					}
					s.at(12100 * time.Millisecond)
				} else {
					s.crash()
				}
				if n := s.info("kv").Failures; n != c.failures {
					t.Errorf("%d failures, want %d", n, c.failures)
				}
			})
		})
	}
}

// A failed check is tolerated health-retries times in a row, and made again after a second.
func TestHealthRetries(t *testing.T) {
	simulate(t, func(s *simulation) {
		s.change("kv", func(pkg *packages.Service) { pkg.HealthRetries = 2 })
		p := s.up("kv")
		s.set(func() { p.ill, p.deaf = errors.New("ill"), true })
		s.untilCheck()
		s.set(func() { p.ill, s.watched = nil, true })
		s.at(5 * time.Second)
		s.expect("1s probe 101")
		s.set(func() { p.ill = errors.New("ill") })
		s.untilCheck()
		s.set(func() { s.watched = true })
		s.at(2100 * time.Millisecond)
		s.expect(`
			1s probe 101
			2s probe 101
			2s SIGTERM 101
		`)
	})
}

// Each restart reads the package again.
func TestRestartReadsThePackage(t *testing.T) {
	simulate(t, func(s *simulation) {
		s.up("kv")
		s.set(func() { delete(s.installed, "kv") })
		s.crash()
		s.wait(backoff(1))
		if info := s.info("kv"); info.Failures != 2 || info.LastError != "package 'kv' not found" {
			t.Errorf("status while it is not installed: %+v", info)
		}
		s.install("kv", 9300)
		s.change("kv", func(pkg *packages.Service) { pkg.Version, pkg.Binary = "2.0.0", "/kv2" })
		s.wait(backoff(2))
		if got, want := s.last().pkg, s.installed["kv"]; !reflect.DeepEqual(got, want) {
			t.Errorf("spawned %+v, want %+v", got, want)
		}
		if info := s.info("kv"); info.Status != "running" || info.Version != "2.0.0" || info.Port != 9300 {
			t.Errorf("status: %+v", info)
		}
	})
}

// A service is listed as failed only when its process is gone. A start that comes earlier waits for
// that and starts the service anew; a stop wins over both.
func TestGivenUp(t *testing.T) {
	for _, c := range []struct {
		name     string
		requests func(*simulation)
		end      string // status after a minute
		want     string
	}{
		{"no request", func(*simulation) {}, "failed", `
			5s SIGKILL 105
			5s exit 105: signal: killed
		`},
		{"start", func(s *simulation) { s.start("kv") }, "running", `
			5s SIGKILL 105
			5s exit 105: signal: killed
			5s spawn kv 106
			5s start kv: ok
		`},
		{"start and stop", func(s *simulation) { s.start("kv"); s.stop("kv") }, "", `
			0s start kv: error: service 'kv' was stopped
			5s SIGKILL 105
			5s exit 105: signal: killed
			5s stop kv: ok
		`},
	} {
		t.Run(c.name, func(t *testing.T) {
			simulate(t, func(s *simulation) {
				p := s.upAfter(4, "kv")
				s.set(func() { p.deaf = true })
				s.failCheck("kv")
				s.forget()
				c.requests(s)
				s.at(4 * time.Second)
				if info := s.info("kv"); info.Status != "starting" || info.PID != 105 || info.Failures != 5 || !info.RetryAt.IsZero() {
					t.Errorf("status with the process still there: %+v", info)
				}
				s.at(time.Minute)
				s.expect(c.want)
				s.is("kv", c.end)
				if info := s.info("kv"); c.end == "running" && info.Failures+info.Restarts != 0 {
					t.Errorf("status after the new start: %+v", info)
				}
			})
		})
	}
}

// A failed service whose package was removed leaves the list with its next start.
func TestStartOfAFailedServiceWithoutAPackage(t *testing.T) {
	simulate(t, func(s *simulation) {
		s.giveUp("kv")
		s.set(func() { delete(s.installed, "kv") })
		s.start("kv")
		s.nothingLeft()
	})
}

// A start of a failed service counts its failures anew.
func TestStartOfAFailedService(t *testing.T) {
	simulate(t, func(s *simulation) {
		s.giveUp("kv")
		s.set(func() { s.loadTime = time.Second })
		s.start("kv")
		if info := s.info("kv"); info.Status != "starting" || info.Failures != 0 || info.LastError != "" {
			t.Errorf("status of the new start: %+v", info)
		}
		s.at(time.Second)
		s.crash()
		if info := s.info("kv"); info.Status != "starting" || info.Failures != 1 {
			t.Errorf("status after its first failure: %+v", info)
		}
	})
}
