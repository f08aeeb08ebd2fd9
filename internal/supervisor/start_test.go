package supervisor

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"zr/internal/health"
	"zr/internal/packages"
)

// A start is answered when the service is healthy.
func TestStart(t *testing.T) {
	simulate(t, func(s *simulation) {
		s.setup = func(p *proc) { p.ready = 130 * time.Millisecond }
		s.start("kv")
		if info := s.info("kv"); info.Status != "starting" || info.PID != 101 || info.Port != 9200 {
			t.Errorf("status while it starts: %+v", info)
		}
		s.at(time.Second)
		s.start("kv")
		s.expect(`
			0s spawn kv 101
			130ms start kv: ok
			1s start kv: ok
		`)
	})
}

// The reply to a start that fails comes when the process is gone. Then status lists the service as
// failed.
func TestStartFails(t *testing.T) {
	for _, c := range []struct {
		name     string
		setup    func(*proc)
		spawnErr error
		why      string // in status
		want     string
	}{
		{"it exits", func(p *proc) { p.ready, p.dies = time.Hour, 300*time.Millisecond }, nil,
			"exited before it was healthy: exit status 1", `
			0s spawn kv 101
			300ms exit 101: exit status 1
			300ms start kv: error: service 'kv' exited before it was healthy: exit status 1
		`},
		{"it exits, and the port is taken", func(p *proc) {
			p.ready, p.dies = time.Hour, time.Second
			p.sim.holders[9200] = "pid 49 (caddy)"
		}, nil,
			"exited before it was healthy: exit status 1: port 9200 is held by pid 49 (caddy)", `
			0s spawn kv 101
			1s exit 101: exit status 1
			1s start kv: error: service 'kv' exited before it was healthy: exit status 1: port 9200 is held by pid 49 (caddy)
		`},
		{"it is refused", func(p *proc) { p.ready, p.slow = time.Hour, time.Second }, nil,
			"health check timeout: connection refused", `
			0s spawn kv 101
			10s SIGTERM 101
			11s exit 101: exit status 0
			11s start kv: error: health check timeout: connection refused
		`},
		{"it hangs and ignores SIGTERM", func(p *proc) { p.takes, p.deaf = hangs, true }, nil,
			"health check timeout: no answer to GET /health within 2 s", `
			0s spawn kv 101
			10s SIGTERM 101
			15s SIGKILL 101
			15s exit 101: signal: killed
			15s start kv: error: health check timeout: no answer to GET /health within 2 s
		`},
		{"another process answers", func(p *proc) { p.ill = &ForeignError{9200, "pid 49 (caddy)"} }, nil,
			"port 9200 is held by pid 49 (caddy)", `
			0s spawn kv 101
			0s SIGTERM 101
			0s exit 101: signal: terminated
			0s start kv: error: port 9200 is held by pid 49 (caddy)
		`},
		{"the disk does not answer", func(p *proc) { p.loads = time.Hour }, nil,
			"health check timeout: its program or its log could not be opened yet; the disk may not answer", `
			0s spawn kv 101
			10s SIGTERM 101
			10s exit 101: signal: terminated
			10s start kv: error: health check timeout: its program or its log could not be opened yet; the disk may not answer
		`},
		{"it cannot be executed", func(p *proc) { p.never, p.dies = errors.New("/kv: exec format error"), 1 }, nil,
			"failed to spawn service: /kv: exec format error", `
			0s spawn kv 101
			0s exit 101: exit status 1
			0s start kv: error: failed to spawn service: /kv: exec format error
		`},
		{"it cannot be spawned", nil, errors.New("binary not found: /kv"), "binary not found: /kv", `
			0s spawn kv fails
			0s start kv: error: binary not found: /kv
		`},
	} {
		t.Run(c.name, func(t *testing.T) {
			simulate(t, func(s *simulation) {
				s.setup, s.spawnErr = c.setup, c.spawnErr
				s.start("kv")
				s.at(time.Minute)
				s.expect(c.want)
				s.onlyFailed("kv", c.why)
			})
		})
	}
}

// A service that is healthy just before its start timeout is up. The probe under way at the end of
// the timeout does not delay the reply.
func TestStartTimeout(t *testing.T) {
	for _, c := range []struct {
		timeout, ready, reply time.Duration
		status                string
	}{
		{startTimeout, 9800 * time.Millisecond, 9800 * time.Millisecond, "running"},
		{startTimeout, 10001 * time.Millisecond, startTimeout, "failed"},
		{30 * time.Second, 20 * time.Second, 20 * time.Second, "running"},
		{1700 * time.Millisecond, time.Hour, 1700 * time.Millisecond, "failed"},
		{300 * time.Millisecond, time.Hour, 300 * time.Millisecond, "failed"},
	} {
		t.Run(fmt.Sprint(c.timeout, c.ready), func(t *testing.T) {
			simulate(t, func(s *simulation) {
				s.change("kv", func(pkg *packages.Service) { pkg.StartTimeout = c.timeout })
				s.setup = func(p *proc) { p.ready = c.ready }
				s.start("kv")
				s.at(c.reply - time.Millisecond)
				s.is("kv", "starting")
				s.at(c.reply + 100*time.Millisecond)
				s.is("kv", c.status)
			})
		})
	}
}

func TestStartOfAnUnknownPackage(t *testing.T) {
	simulate(t, func(s *simulation) {
		s.loadTime = time.Second
		s.start("unknown")
		s.start("unknown")
		s.is("unknown", "")
		s.at(time.Minute)
		s.expect(`
			1s start unknown: error: package 'unknown' not found
			1s start unknown: error: package 'unknown' not found
		`)
		s.nothingLeft()
	})
}

// Starts of one name make one process and get one answer, whether they wait for the disk or for the
// service.
func TestStartsOfOneName(t *testing.T) {
	for _, c := range []struct {
		reply string
		setup func(*proc)
		want  string
	}{
		{"ok", func(p *proc) { p.ready = 50 * time.Millisecond }, ""},
		{"error: …", func(p *proc) { p.ready, p.dies = time.Hour, 50*time.Millisecond }, "100ms exit 101: exit status 1"},
	} {
		t.Run(c.reply, func(t *testing.T) {
			simulate(t, func(s *simulation) {
				s.setup, s.loadTime = c.setup, 50*time.Millisecond
				s.start("kv")
				s.start("kv")
				s.at(70 * time.Millisecond)
				s.start("kv")
				s.at(time.Second)
				reply := "\n100ms start kv: " + c.reply
				s.expect("50ms spawn kv 101\n" + c.want + reply + reply + reply)
			})
		})
	}
}

func TestStartDuringRestartWaitsForTheOutcome(t *testing.T) {
	simulate(t, func(s *simulation) {
		s.up("kv")
		s.crash()
		s.set(func() { s.setup = func(p *proc) { p.ready = 200 * time.Millisecond } })
		s.at(backoff(1) / 2)
		s.start("kv") // in the back-off
		s.at(backoff(1))
		s.restartClock()
		s.at(100 * time.Millisecond)
		s.start("kv") // while it comes up
		s.at(time.Second)
		s.expect(`
			200ms start kv: ok
			200ms start kv: ok
		`)
	})
}

func TestStartDuringRestartsThatFail(t *testing.T) {
	simulate(t, func(s *simulation) {
		s.upAfter(3, "kv")
		s.set(func() { s.spawnErr = errors.New("no such file") })
		s.crash()
		s.start("kv")
		s.at(time.Minute)
		s.expect(`
			0s exit 104: exit status 1
			restart kv fails after failure 4: exit status 1
			start kv: error: service 'kv' marked as failed after 5 consecutive failures: no such file
		`)
	})
}

// A start goes on while probes cannot be made.
func TestStartSurvivesProbesWithoutAVerdict(t *testing.T) {
	simulate(t, func(s *simulation) {
		s.setup = func(p *proc) { p.ill = fmt.Errorf("%w: too many open files", health.ErrNoVerdict) }
		s.start("kv")
		s.at(time.Second)
		s.is("kv", "starting")
		p := s.last()
		s.set(func() { p.ill = nil })
		s.at(2 * time.Second)
		s.is("kv", "running")
	})
}

// Of a pause of the daemon, next to nothing counts for a start timeout or a grace, even at its end.
// Both end also if the daemon is paused again and again.
func TestPausesDoNotCount(t *testing.T) {
	for _, left := range []time.Duration{10 * time.Second, step, 2 * time.Millisecond} {
		synctest.Test(t, func(t *testing.T) {
			s := &service{timer: time.NewTimer(time.Hour)}
			s.count(left)
			over := false
			for pauses := 0; !over; pauses++ {
				time.Sleep(time.Minute)
				over = s.countStep(true)
				if pauses == 0 && (over || s.left < left-step/2) || pauses == 1000 {
					t.Fatalf("of %v, %v remain after %d pauses, over: %v", left, s.left, pauses+1, over)
				}
			}
		})
	}
}
