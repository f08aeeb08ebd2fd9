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
	inWorld(t, func(w *world) {
		w.setup = func(p *proc) { p.dies = 300 * time.Millisecond }
		w.up("kv")
		for i := 1; i <= 4; i++ {
			w.at(300 * time.Millisecond)
			if info := w.info("kv"); info.Failures != i || info.RetryAt != time.Now().Add(backoff(i)) {
				t.Errorf("status after failure %d: %+v", i, info)
			}
			w.wait(backoff(i))
			w.zero = time.Now()
		}
		w.at(10 * time.Minute)
		w.expect(`
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
		if info := w.info("kv"); info.Restarts != 4 || info.Failures != 5 || !info.RetryAt.IsZero() {
			t.Errorf("status in the end: %+v", info)
		}
		w.onlyFailed("kv", "exit status 1")
	})
}

// A restart that does not get healthy is the next failure. SIGTERM is sent at once, and SIGKILL when
// the back-off ends.
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
			inWorld(t, func(w *world) {
				w.up("kv")
				w.crash()
				w.forget()
				w.set(func() { w.setup, w.spawnErr = c.setup, c.spawnErr })
				w.wait(backoff(1))
				w.zero = time.Now()
				w.set(func() { w.setup, w.spawnErr = nil, nil })
				w.at(c.lasts + backoff(2) - 1)
				w.is("kv", "starting")
				w.at(c.lasts + backoff(2))
				w.expect(c.want)
				w.is("kv", "running")
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
			inWorld(t, func(w *world) {
				p := w.upAfter(1, "kv")
				w.at(c.after)
				if c.hangs {
					w.set(func() { p.takes = hangs })
					w.at(11900 * time.Millisecond)
					if n := w.info("kv").Failures; n != 1 {
						t.Errorf("%d failures before the check's timeout, want 1", n)
					}
					w.at(12100 * time.Millisecond)
				} else {
					w.crash()
				}
				if n := w.info("kv").Failures; n != c.failures {
					t.Errorf("%d failures, want %d", n, c.failures)
				}
			})
		})
	}
}

// A failed check is tolerated health-retries times in a row, and made again after a second.
func TestHealthRetries(t *testing.T) {
	inWorld(t, func(w *world) {
		w.change("kv", func(pkg *packages.Service) { pkg.HealthRetries = 2 })
		p := w.up("kv")
		w.set(func() { p.ill, p.deaf = errors.New("ill"), true })
		w.untilCheck()
		w.set(func() { p.ill, w.watched = nil, true })
		w.at(5 * time.Second)
		w.expect("1s probe 101")
		w.set(func() { p.ill = errors.New("ill") })
		w.untilCheck()
		w.set(func() { w.watched = true })
		w.at(2100 * time.Millisecond)
		w.expect(`
			1s probe 101
			2s probe 101
			2s SIGTERM 101
		`)
	})
}

// Each restart reads the package again.
func TestRestartReadsThePackage(t *testing.T) {
	inWorld(t, func(w *world) {
		w.up("kv")
		w.set(func() { delete(w.installed, "kv") })
		w.crash()
		w.wait(backoff(1))
		if info := w.info("kv"); info.Failures != 2 || info.LastError != "package 'kv' not found" {
			t.Errorf("status while it is not installed: %+v", info)
		}
		w.install("kv", 9300)
		w.change("kv", func(pkg *packages.Service) { pkg.Version, pkg.Binary = "2.0.0", "/kv2" })
		w.wait(backoff(2))
		if got, want := w.last().pkg, w.installed["kv"]; !reflect.DeepEqual(got, want) {
			t.Errorf("spawned %+v, want %+v", got, want)
		}
		if info := w.info("kv"); info.Status != "running" || info.Version != "2.0.0" || info.Port != 9300 {
			t.Errorf("status: %+v", info)
		}
	})
}

// A service is listed as failed only when its process is gone. A start that comes earlier waits for
// that and starts the service anew; a stop wins over both.
func TestGivenUp(t *testing.T) {
	for _, c := range []struct {
		name     string
		requests func(*world)
		end      string // status after a minute
		want     string
	}{
		{"no request", func(*world) {}, "failed", `
			5s SIGKILL 105
			5s exit 105: signal: killed
		`},
		{"start", func(w *world) { w.start("kv") }, "running", `
			5s SIGKILL 105
			5s exit 105: signal: killed
			5s spawn kv 106
			5s start kv: ok
		`},
		{"start and stop", func(w *world) { w.start("kv"); w.stop("kv") }, "", `
			0s start kv: error: service 'kv' was stopped
			5s SIGKILL 105
			5s exit 105: signal: killed
			5s stop kv: ok
		`},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				p := w.upAfter(4, "kv")
				w.set(func() { p.deaf = true })
				w.failCheck("kv")
				w.forget()
				c.requests(w)
				w.at(4 * time.Second)
				if info := w.info("kv"); info.Status != "starting" || info.PID != 105 || info.Failures != 5 || !info.RetryAt.IsZero() {
					t.Errorf("status with the process still there: %+v", info)
				}
				w.at(time.Minute)
				w.expect(c.want)
				w.is("kv", c.end)
				if info := w.info("kv"); c.end == "running" && info.Failures+info.Restarts != 0 {
					t.Errorf("status after the new start: %+v", info)
				}
			})
		})
	}
}

// A failed service whose package was removed leaves the list with its next start.
func TestStartOfAFailedServiceWithoutAPackage(t *testing.T) {
	inWorld(t, func(w *world) {
		w.giveUp("kv")
		w.set(func() { delete(w.installed, "kv") })
		w.start("kv")
		w.nothingLeft()
	})
}

// A start of a failed service counts its failures anew.
func TestStartOfAFailedService(t *testing.T) {
	inWorld(t, func(w *world) {
		w.giveUp("kv")
		w.set(func() { w.loadTime = time.Second })
		w.start("kv")
		if info := w.info("kv"); info.Status != "starting" || info.Failures != 0 || info.LastError != "" {
			t.Errorf("status of the new start: %+v", info)
		}
		w.at(time.Second)
		w.crash()
		if info := w.info("kv"); info.Status != "starting" || info.Failures != 1 {
			t.Errorf("status after its first failure: %+v", info)
		}
	})
}
