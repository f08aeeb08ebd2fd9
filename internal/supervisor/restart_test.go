package supervisor

import (
	"errors"
	"reflect"
	"testing"
	"time"
)

// It comes up each time and dies at once: its health is too short to count.
func TestCrashLoopIsGivenUpAtTheFifth(t *testing.T) {
	inWorld(t, func(w *world) {
		w.set(func() { w.setup = func(p *proc) { p.dies = 300 * time.Millisecond } })
		w.up("kv")
		w.at(10 * time.Minute)
		w.expect(`
			300ms exit 101: exit status 1
			300ms daemon: service 'kv' unhealthy (failure 1/5): exit status 1
			300ms daemon: restarting 'kv' in 1s
			1.3s spawn kv 102
			1.3s daemon: service 'kv' restarted successfully
			1.6s exit 102: exit status 1
			1.6s daemon: service 'kv' unhealthy (failure 2/5): exit status 1
			1.6s daemon: restarting 'kv' in 2s
			3.6s spawn kv 103
			3.6s daemon: service 'kv' restarted successfully
			3.9s exit 103: exit status 1
			3.9s daemon: service 'kv' unhealthy (failure 3/5): exit status 1
			3.9s daemon: restarting 'kv' in 4s
			7.9s spawn kv 104
			7.9s daemon: service 'kv' restarted successfully
			8.2s exit 104: exit status 1
			8.2s daemon: service 'kv' unhealthy (failure 4/5): exit status 1
			8.2s daemon: restarting 'kv' in 8s
			16.2s spawn kv 105
			16.2s daemon: service 'kv' restarted successfully
			16.5s exit 105: exit status 1
			16.5s daemon: service 'kv' unhealthy (failure 5/5): exit status 1
			16.5s daemon: service 'kv' marked as failed after 5 consecutive failures
		`)
		if info := w.info("kv"); info.Status != "failed" || info.PID != 0 || info.Restarts != 4 || info.Failures != 5 {
			t.Errorf("in the end: %+v", info)
		}
	})
}

func TestRestartsThatCannotSpawn(t *testing.T) {
	inWorld(t, func(w *world) {
		p := w.up("kv")
		w.set(func() { w.spawnErr = errors.New("binary not found: /kv") })
		p.exit("signal: killed")
		w.at(10 * time.Minute)
		w.expect(`
			0s exit 101: signal: killed
			0s daemon: service 'kv' unhealthy (failure 1/5): signal: killed
			0s daemon: restarting 'kv' in 1s
			1s daemon: failed to restart 'kv': binary not found: /kv
			1s daemon: service 'kv' unhealthy (failure 2/5): binary not found: /kv
			1s daemon: restarting 'kv' in 2s
			3s daemon: failed to restart 'kv': binary not found: /kv
			3s daemon: service 'kv' unhealthy (failure 3/5): binary not found: /kv
			3s daemon: restarting 'kv' in 4s
			7s daemon: failed to restart 'kv': binary not found: /kv
			7s daemon: service 'kv' unhealthy (failure 4/5): binary not found: /kv
			7s daemon: restarting 'kv' in 8s
			15s daemon: failed to restart 'kv': binary not found: /kv
			15s daemon: service 'kv' unhealthy (failure 5/5): binary not found: /kv
			15s daemon: service 'kv' marked as failed after 5 consecutive failures
		`)
	})
}

// SIGTERM comes with the failure, and the back-off is the grace: the second one is deaf,
// and killed when its successor is due.
func TestRestartsThatDoNotGetHealthy(t *testing.T) {
	inWorld(t, func(w *world) {
		p := w.up("kv")
		w.set(func() { w.setup = func(p *proc) { p.ready, p.deaf = time.Hour, p.pid == 103 } })
		p.exit("exit status 1")
		w.at(10 * time.Minute)
		w.expect(`
			0s exit 101: exit status 1
			0s daemon: service 'kv' unhealthy (failure 1/5): exit status 1
			0s daemon: restarting 'kv' in 1s
			1s spawn kv 102
			11s daemon: service 'kv' failed health check after restart
			11s daemon: service 'kv' unhealthy (failure 2/5): health check timeout: connection refused
			11s daemon: restarting 'kv' in 2s
			11s SIGTERM 102
			11s exit 102: signal: terminated
			13s spawn kv 103
			23s daemon: service 'kv' failed health check after restart
			23s daemon: service 'kv' unhealthy (failure 3/5): health check timeout: connection refused
			23s daemon: restarting 'kv' in 4s
			23s SIGTERM 103
			27s SIGKILL 103
			27s exit 103: signal: killed
			27s spawn kv 104
			37s daemon: service 'kv' failed health check after restart
			37s daemon: service 'kv' unhealthy (failure 4/5): health check timeout: connection refused
			37s daemon: restarting 'kv' in 8s
			37s SIGTERM 104
			37s exit 104: signal: terminated
			45s spawn kv 105
			55s daemon: service 'kv' failed health check after restart
			55s daemon: service 'kv' unhealthy (failure 5/5): health check timeout: connection refused
			55s daemon: service 'kv' marked as failed after 5 consecutive failures
			55s SIGTERM 105
			55s exit 105: signal: terminated
		`)
	})
}

func TestRestartThatExitsBeforeItIsHealthy(t *testing.T) {
	inWorld(t, func(w *world) {
		w.up("kv").exit("exit status 1")
		w.set(func() { w.setup = func(p *proc) { p.ready, p.dies = time.Hour, time.Second } })
		w.at(3 * time.Second)
		w.expect(`
			0s exit 101: exit status 1
			0s daemon: service 'kv' unhealthy (failure 1/5): exit status 1
			0s daemon: restarting 'kv' in 1s
			1s spawn kv 102
			2s exit 102: exit status 1
			2s daemon: service 'kv' failed health check after restart
			2s daemon: service 'kv' unhealthy (failure 2/5): exit status 1
			2s daemon: restarting 'kv' in 2s
		`)
	})
}

func TestRestartWithAForeignListenerEndsAtOnce(t *testing.T) {
	inWorld(t, func(w *world) {
		w.up("kv").exit("exit status 1")
		w.set(func() { w.setup = func(p *proc) { p.ill = &ForeignError{9200, "pid 49 (caddy)"} } })
		w.at(2 * time.Second)
		w.expect(`
			0s exit 101: exit status 1
			0s daemon: service 'kv' unhealthy (failure 1/5): exit status 1
			0s daemon: restarting 'kv' in 1s
			1s spawn kv 102
			1s daemon: service 'kv' failed health check after restart
			1s daemon: service 'kv' unhealthy (failure 2/5): port 9200 is held by pid 49 (caddy)
			1s daemon: restarting 'kv' in 2s
			1s SIGTERM 102
			1s exit 102: signal: terminated
		`)
	})
}

// After ten seconds of health the count is 0 again: with the check at
// that moment, not before it and not without it.
func TestTenSecondsOfHealthClearTheCount(t *testing.T) {
	for _, c := range []struct {
		name     string
		lives    time.Duration // after its first restart
		hangs    bool          // from then until its end
		failures int           // counted for the end
	}{
		{"dies just before", 10*time.Second - time.Millisecond, false, 2},
		{"dies just after", 10*time.Second + time.Millisecond, false, 1},
		{"hangs over the moment", 9 * time.Second, true, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.up("kv").exit("exit status 1")
				w.at(time.Second + c.lives)
				if c.hangs {
					p := w.last()
					w.set(func() { p.takes = hangs })
					w.at(13*time.Second - time.Millisecond) // the check of the tenth second is under way
					if n := w.info("kv").Failures; n != 1 {
						t.Errorf("%d failures while the check has no answer, want 1", n)
					}
					w.at(13 * time.Second)
				} else {
					w.last().exit("exit status 1")
					w.at(time.Second + c.lives)
				}
				if n := w.info("kv").Failures; n != c.failures {
					t.Errorf("%d failures, want %d", n, c.failures)
				}
			})
		})
	}
}

// A definition that changes is picked up by the next spawn.
func TestRestartReadsTheDefinitionAfresh(t *testing.T) {
	inWorld(t, func(w *world) {
		w.up("kv").exit("exit status 1")
		w.set(func() {
			pkg := w.installed["kv"]
			pkg.Version, pkg.Port, pkg.Binary = "2.0.0", 9300, "/kv2"
			w.installed["kv"] = pkg
		})
		w.at(2 * time.Second)
		if got, want := w.last().pkg, w.installed["kv"]; !reflect.DeepEqual(got, want) {
			t.Errorf("spawned %+v, want %+v", got, want)
		}
		if info := w.info("kv"); info.Version != "2.0.0" || info.Port != 9300 {
			t.Errorf("status: %+v", info)
		}
	})
}

func TestRestartOfAPackageThatIsGone(t *testing.T) {
	inWorld(t, func(w *world) {
		w.up("kv").exit("exit status 1")
		w.set(func() { delete(w.installed, "kv") })
		w.at(2 * time.Second)
		w.install("kv", 9200)
		w.at(4 * time.Second)
		w.expect(`
			0s exit 101: exit status 1
			0s daemon: service 'kv' unhealthy (failure 1/5): exit status 1
			0s daemon: restarting 'kv' in 1s
			1s daemon: failed to restart 'kv': package 'kv' not found
			1s daemon: service 'kv' unhealthy (failure 2/5): package 'kv' not found
			1s daemon: restarting 'kv' in 2s
			3s spawn kv 102
			3s daemon: service 'kv' restarted successfully
		`)
	})
}
