package supervisor

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"zr/internal/health"
)

func TestStart(t *testing.T) {
	inWorld(t, func(w *world) {
		w.start("kv")
		w.expect(`
			0s spawn kv 101
			0s daemon: started service 'kv' on port 9200
			0s start kv: ok
		`)
	})
}

// Polling finds it out at most a hundredth late, or a millisecond.
func TestStartWaitsUntilHealthy(t *testing.T) {
	inWorld(t, func(w *world) {
		w.setup = func(p *proc) { p.ready = 130 * time.Millisecond }
		w.start("kv")
		if info := w.info("kv"); info.Status != "starting" || info.PID != 101 || info.Port != 9200 {
			t.Errorf("status while it starts: %+v", info)
		}
		w.at(time.Second)
		w.expect(`
			0s spawn kv 101
			0s daemon: started service 'kv' on port 9200
			130ms start kv: ok
		`)
	})
}

func TestStartThatExits(t *testing.T) {
	inWorld(t, func(w *world) {
		w.setup = func(p *proc) { p.ready, p.dies = time.Hour, 300*time.Millisecond }
		w.start("kv")
		w.at(time.Minute)
		w.expect(`
			0s spawn kv 101
			0s daemon: started service 'kv' on port 9200
			300ms exit 101: exit status 1
			300ms daemon: failed to start 'kv': exited before it was healthy: exit status 1
			300ms start kv: service 'kv' exited before it was healthy: exit status 1
		`)
		w.onlyFailed("kv", "exited before it was healthy: exit status 1")
	})
}

// The answer comes when nothing is left: here one that takes a second to end.
func TestStartThatNeverGetsHealthy(t *testing.T) {
	inWorld(t, func(w *world) {
		w.setup = func(p *proc) { p.ready, p.slow = time.Hour, time.Second }
		w.start("kv")
		w.at(10*time.Second - time.Nanosecond)
		w.expect(`
			0s spawn kv 101
			0s daemon: started service 'kv' on port 9200
		`)
		w.at(time.Minute)
		w.expect(`
			10s daemon: failed to start 'kv': health check timeout: connection refused
			10s SIGTERM 101
			11s exit 101: exit status 0
			11s start kv: health check timeout: connection refused
		`)
		w.onlyFailed("kv", "health check timeout: connection refused")
	})
}

func TestStartOfOneThatHangsAndIsDeaf(t *testing.T) {
	inWorld(t, func(w *world) {
		w.setup = func(p *proc) { p.takes, p.deaf = hangs, true }
		w.start("kv")
		w.at(time.Minute)
		w.expect(`
			0s spawn kv 101
			0s daemon: started service 'kv' on port 9200
			10s daemon: failed to start 'kv': health check timeout: no answer to GET /health within 2 s
			10s SIGTERM 101
			15s SIGKILL 101
			15s exit 101: signal: killed
			15s start kv: health check timeout: no answer to GET /health within 2 s
		`)
		w.onlyFailed("kv", "health check timeout: no answer to GET /health within 2 s")
	})
}

// The probe under way at the last moment is given up: it does not come too
// late to count.
func TestHealthyJustBeforeAndAfterTheTimeout(t *testing.T) {
	for _, c := range []struct {
		ready  time.Duration
		answer string
	}{{9800 * time.Millisecond, "ok"}, {10001 * time.Millisecond, "health check timeout: connection refused"}} {
		t.Run(c.ready.String(), func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.setup = func(p *proc) { p.ready = c.ready }
				w.start("kv")
				w.at(11 * time.Second)
				notes := w.notes()
				if last := notes[len(notes)-1].text; last != "start kv: "+c.answer {
					t.Errorf("%s, want %s", last, c.answer)
				}
			})
		})
	}
}

func TestStartThatCannotSpawn(t *testing.T) {
	inWorld(t, func(w *world) {
		w.spawnErr = errors.New("failed to spawn service: /kv: permission denied")
		w.start("kv")
		w.expect("0s daemon: failed to start 'kv': failed to spawn service: /kv: permission denied\n0s start kv: failed to spawn service: /kv: permission denied\n")
		w.onlyFailed("kv", "failed to spawn service: /kv: permission denied")
	})
}

func TestStartThatCannotLoad(t *testing.T) {
	inWorld(t, func(w *world) {
		w.loadTime = time.Second
		w.start("nope")
		w.start("nope")
		if list := w.sup.Status(); len(list) != 0 {
			t.Errorf("listed while it is looked for: %+v", list)
		}
		w.at(time.Minute)
		w.expect(`
			1s start nope: package 'nope' not found
			1s start nope: package 'nope' not found
		`)
		w.nothingLeft()
	})
}

func TestStartsOfOneNameMakeOneProcess(t *testing.T) {
	inWorld(t, func(w *world) {
		w.setup = func(p *proc) { p.ready = 50 * time.Millisecond }
		w.loadTime = 50 * time.Millisecond
		w.start("kv")
		w.start("kv")
		w.at(70 * time.Millisecond)
		w.start("kv") // the others wait for the disk, this one for the service
		w.at(time.Second)
		w.start("kv") // it runs
		w.expect(`
			50ms spawn kv 101
			50ms daemon: started service 'kv' on port 9200
			100ms start kv: ok
			100ms start kv: ok
			100ms start kv: ok
			1s start kv: ok
		`)
	})
}

func TestStartsOfOneNameFailTogether(t *testing.T) {
	inWorld(t, func(w *world) {
		w.setup = func(p *proc) { p.ready, p.dies = time.Hour, time.Second }
		w.start("kv")
		w.at(500 * time.Millisecond)
		w.start("kv")
		w.at(time.Minute)
		w.expect(`
			0s spawn kv 101
			0s daemon: started service 'kv' on port 9200
			1s exit 101: exit status 1
			1s daemon: failed to start 'kv': exited before it was healthy: exit status 1
			1s start kv: service 'kv' exited before it was healthy: exit status 1
			1s start kv: service 'kv' exited before it was healthy: exit status 1
		`)
	})
}

func TestStartDuringRestartWaitsForTheOutcome(t *testing.T) {
	inWorld(t, func(w *world) {
		w.up("kv").exit("exit status 3")
		w.set(func() { w.setup = func(p *proc) { p.ready = 200 * time.Millisecond } })
		w.at(500 * time.Millisecond)
		w.start("kv") // in the back-off
		w.at(1100 * time.Millisecond)
		w.start("kv") // while it comes up
		w.at(2 * time.Second)
		w.expect(`
			0s exit 101: exit status 3
			0s daemon: service 'kv' unhealthy (failure 1/5): exit status 3
			0s daemon: restarting 'kv' in 1s
			1s spawn kv 102
			1.2s daemon: service 'kv' restarted successfully
			1.2s start kv: ok
			1.2s start kv: ok
		`)
	})
}

func TestStartDuringRestartThatIsGivenUp(t *testing.T) {
	inWorld(t, func(w *world) {
		w.up("kv").exit("exit status 3")
		w.set(func() { w.spawnErr = errors.New("no such file") })
		w.at(0)
		w.start("kv")
		w.at(15*time.Second - 1)
		w.forget()
		w.at(time.Minute)
		w.expect(`
			15s daemon: failed to restart 'kv': no such file
			15s daemon: service 'kv' unhealthy (failure 5/5): no such file
			15s daemon: service 'kv' marked as failed after 5 consecutive failures
			15s start kv: service 'kv' marked as failed after 5 consecutive failures: no such file
		`)
	})
}

func TestStartAfterStopStartsAnew(t *testing.T) {
	inWorld(t, func(w *world) {
		w.set(func() { w.setup = func(p *proc) { p.slow = 2 * time.Second } })
		w.up("kv")
		w.stop("kv")
		w.at(time.Second)
		w.start("kv")
		w.start("kv")
		w.at(time.Minute)
		w.expect(`
			0s daemon: stopping service 'kv'
			0s SIGTERM 101
			2s exit 101: exit status 0
			2s spawn kv 102
			2s daemon: started service 'kv' on port 9200
			2s start kv: ok
			2s start kv: ok
			2s stop kv: ok
		`)
	})
}

// Somebody else answers on the port: no waiting helps.
func TestForeignListenerEndsAStartAtOnce(t *testing.T) {
	inWorld(t, func(w *world) {
		w.setup = func(p *proc) { p.ill = &ForeignError{9200, "pid 49 (caddy)"} }
		w.start("kv")
		w.expect(`
			0s spawn kv 101
			0s daemon: started service 'kv' on port 9200
			0s daemon: failed to start 'kv': port 9200 is held by pid 49 (caddy)
			0s SIGTERM 101
			0s exit 101: signal: terminated
			0s start kv: port 9200 is held by pid 49 (caddy)
		`)
		w.onlyFailed("kv", "port 9200 is held by pid 49 (caddy)")
	})
}

func TestExitWithThePortTakenNamesTheHolder(t *testing.T) {
	inWorld(t, func(w *world) {
		w.setup = func(p *proc) { p.ready, p.dies = time.Hour, time.Millisecond }
		w.holders[9200] = "pid 49 (caddy)"
		w.start("kv")
		w.at(time.Second)
		w.expect(`
			0s spawn kv 101
			0s daemon: started service 'kv' on port 9200
			1ms exit 101: exit status 1
			1ms daemon: failed to start 'kv': exited before it was healthy: exit status 1: port 9200 is held by pid 49 (caddy)
			1ms start kv: service 'kv' exited before it was healthy: exit status 1: port 9200 is held by pid 49 (caddy)
		`)
	})
}

// What the daemon cannot probe may still get healthy: it goes on trying.
func TestStartSurvivesProbesThatCannotBeMade(t *testing.T) {
	inWorld(t, func(w *world) {
		w.setup = func(p *proc) { p.ill = fmt.Errorf("%w: too many open files", health.ErrNoVerdict) }
		w.start("kv")
		w.at(time.Second)
		p := w.last()
		w.set(func() { p.ill = nil })
		w.at(time.Minute)
		w.expect(`
			0s spawn kv 101
			0s daemon: started service 'kv' on port 9200
			1.002s start kv: ok
		`)
	})
}
