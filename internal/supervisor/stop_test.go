package supervisor

import (
	"errors"
	"runtime"
	"testing"
	"testing/synctest"
	"time"
)

func TestStop(t *testing.T) {
	inWorld(t, func(w *world) {
		p := w.up("kv")
		w.set(func() { p.slow = 3 * time.Second })
		w.stop("kv")
		w.at(time.Second)
		w.stop("kv")
		if status := w.info("kv").Status; status != "running" {
			t.Errorf("listed as %q until it is gone", status)
		}
		w.at(time.Minute)
		w.expect(`
			0s daemon: stopping service 'kv'
			0s SIGTERM 101
			3s exit 101: exit status 0
			3s stop kv: ok
			3s stop kv: ok
		`)
		w.nothingLeft()
	})
}

func TestStopOfADeafOne(t *testing.T) {
	inWorld(t, func(w *world) {
		p := w.up("kv")
		w.set(func() { p.deaf = true })
		w.stop("kv")
		w.at(3 * time.Second)
		w.stop("kv") // gives no further grace
		w.at(time.Minute)
		w.expect(`
			0s daemon: stopping service 'kv'
			0s SIGTERM 101
			5s SIGKILL 101
			5s exit 101: signal: killed
			5s stop kv: ok
			5s stop kv: ok
		`)
	})
}

func TestStopOfNothing(t *testing.T) {
	inWorld(t, func(w *world) {
		w.stop("kv")
		w.stop("")
		w.expect("0s stop : ok\n0s stop kv: ok\n")
	})
}

func TestStopWhileItSpawns(t *testing.T) {
	inWorld(t, func(w *world) {
		w.spawnTime = time.Second
		w.start("kv")
		w.at(500 * time.Millisecond)
		w.stop("kv")
		w.at(time.Minute)
		w.expect(`
			500ms daemon: stopping service 'kv'
			500ms start kv: service 'kv' was stopped
			1s spawn kv 101
			1s SIGTERM 101
			1s exit 101: signal: terminated
			1s stop kv: ok
		`)
		w.nothingLeft()
	})
}

func TestStopWhileASpawnFails(t *testing.T) {
	inWorld(t, func(w *world) {
		w.spawnTime, w.spawnErr = time.Second, errors.New("no")
		w.start("kv")
		w.at(500 * time.Millisecond)
		w.stop("kv")
		w.at(time.Minute)
		w.expect(`
			500ms daemon: stopping service 'kv'
			500ms start kv: service 'kv' was stopped
			1s stop kv: ok
		`)
		w.nothingLeft()
	})
}

func TestStopAndStartWhileItSpawns(t *testing.T) {
	inWorld(t, func(w *world) {
		w.spawnTime = time.Second
		w.start("kv")
		w.stop("kv")
		w.start("kv")
		w.at(time.Minute)
		w.expect(`
			0s daemon: stopping service 'kv'
			0s start kv: service 'kv' was stopped
			1s spawn kv 101
			1s SIGTERM 101
			1s exit 101: signal: terminated
			1s stop kv: ok
			2s spawn kv 102
			2s daemon: started service 'kv' on port 9200
			2s start kv: ok
		`)
	})
}

func TestStopWhileItStarts(t *testing.T) {
	inWorld(t, func(w *world) {
		w.setup = func(p *proc) { p.ready = time.Hour }
		w.start("kv")
		w.at(time.Second)
		w.stop("kv")
		w.at(time.Minute)
		w.expect(`
			0s spawn kv 101
			0s daemon: started service 'kv' on port 9200
			1s daemon: stopping service 'kv'
			1s SIGTERM 101
			1s exit 101: signal: terminated
			1s start kv: service 'kv' was stopped
			1s stop kv: ok
		`)
		w.nothingLeft()
	})
}

// The start has failed, and its process takes its time to end.
func TestStopAfterAFailedStart(t *testing.T) {
	inWorld(t, func(w *world) {
		w.setup = func(p *proc) { p.ready, p.deaf = time.Hour, true }
		w.start("kv")
		w.at(12 * time.Second)
		w.stop("kv")
		w.at(time.Minute)
		w.expect(`
			0s spawn kv 101
			0s daemon: started service 'kv' on port 9200
			10s daemon: failed to start 'kv': health check timeout: connection refused
			10s SIGTERM 101
			12s daemon: stopping service 'kv'
			12s start kv: service 'kv' was stopped
			15s SIGKILL 101
			15s exit 101: signal: killed
			15s stop kv: ok
		`)
		w.nothingLeft()
	})
}

func TestStopInABackoff(t *testing.T) {
	inWorld(t, func(w *world) {
		w.up("kv").exit("exit status 1")
		w.at(500 * time.Millisecond)
		w.start("kv")
		w.stop("kv")
		w.at(time.Minute)
		w.expect(`
			0s exit 101: exit status 1
			0s daemon: service 'kv' unhealthy (failure 1/5): exit status 1
			0s daemon: restarting 'kv' in 1s
			500ms daemon: stopping service 'kv'
			500ms start kv: service 'kv' was stopped
			500ms stop kv: ok
		`)
		w.nothingLeft()
	})
}

// A process that ends during a back-off is given what is left of it, but no more than the grace.
func TestStopWhileABackoffEndsTheProcess(t *testing.T) {
	for _, c := range []struct {
		failures int
		killed   time.Duration
	}{{1, time.Second}, {4, 7 * time.Second}} {
		t.Run(backoff(c.failures).String(), func(t *testing.T) {
			inWorld(t, func(w *world) {
				p := w.failing("kv", c.failures)
				w.set(func() { p.deaf, p.takes = true, hangs })
				w.at(10 * time.Second)
				w.restartClock()
				w.at(min(2*time.Second, c.killed/2))
				w.stop("kv")
				w.at(c.killed - 1)
				w.expect(min(2*time.Second, c.killed/2).String() + " daemon: stopping service 'kv'\n")
				w.at(c.killed)
				w.nothingLeft()
			})
		})
	}
}

func TestStopOfOneThatIsBeingKilled(t *testing.T) {
	inWorld(t, func(w *world) {
		p := w.up("kv")
		w.set(func() { p.ill, p.deaf, p.immortal = errors.New("ill"), true, true })
		w.at(9 * time.Second) // killed at 8 s
		w.forget()
		w.stop("kv")
		w.at(10 * time.Second)
		p.exit("signal: killed")
		w.at(time.Minute)
		w.expect(`
			9s daemon: stopping service 'kv'
			10s exit 101: signal: killed
			10s stop kv: ok
		`)
		w.nothingLeft()
	})
}

func TestStopOfAFailedOne(t *testing.T) {
	inWorld(t, func(w *world) {
		p := w.up("kv")
		w.set(func() { w.spawnErr = errors.New("no") })
		p.exit("exit status 1")
		w.at(time.Minute)
		w.forget()
		w.stop("kv")
		w.expect("1m0s stop kv: ok\n")
		w.nothingLeft()
	})
}

// A stop that comes before the start for which the actor was made finds nothing
// to stop. The start finds another actor.
func TestStopOvertakesStart(t *testing.T) {
	inWorld(t, func(w *world) {
		w.sup.forStart("kv")
		w.stop("kv")
		w.nothingLeft()
		w.start("kv")
		w.expect(`
			0s spawn kv 101
			0s daemon: started service 'kv' on port 9200
			0s start kv: ok
			0s stop kv: ok
		`)
	})
}

func TestStartAfterAStopOfAFailedStart(t *testing.T) {
	inWorld(t, func(w *world) {
		w.setup = func(p *proc) { p.ready, p.slow = time.Hour, 2*time.Second }
		w.start("kv")
		w.at(11 * time.Second)
		w.set(func() { w.setup = nil })
		w.stop("kv")
		w.forget()
		w.start("kv")
		w.at(time.Minute)
		w.expect(`
			12s exit 101: exit status 0
			12s spawn kv 102
			12s daemon: started service 'kv' on port 9200
			12s start kv: ok
			12s stop kv: ok
		`)
	})
}

// Who hears that a service is gone finds it gone: its entry goes before the answers do.
func TestStopAnswersWhenTheEntryIsGone(t *testing.T) {
	inWorld(t, func(w *world) {
		p := w.up("kv")
		w.set(func() { p.deaf = true })
		svc, _ := w.sup.forStart("kv")
		reply := make(chan error, 1)
		svc.send(stopMsg{reply: reply})
		synctest.Wait()
		w.sup.mu.Lock() // no entry can go
		p.exit("exit status 0")
		for range 10_000 { // time stands still while somebody waits for a lock
			runtime.Gosched()
		}
		if len(reply) > 0 {
			t.Error("answered before that")
		}
		w.sup.mu.Unlock()
		<-reply
	})
}
