package supervisor

import (
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// Fifty services that take 4 s each to end are gone after 4 s, and so is a service in a back-off.
func TestShutdownIsSideBySide(t *testing.T) {
	inWorld(t, func(w *world) {
		w.setup = func(p *proc) { p.slow = 4 * time.Second }
		for i := range 50 {
			name := fmt.Sprintf("s%d", i)
			w.install(name, 10000+i)
			w.up(name)
		}
		w.up("kv")
		w.crash()
		w.shutdown()
		w.at(4 * time.Second)
		w.nothingLeft()
	})
}

// A shutdown waits for the end of every service, and refuses starts. Kill does so without grace.
func TestShutdown(t *testing.T) {
	slowKV := kvWhich(func(p *proc) { p.slow = 3 * time.Second })
	spawningKV := func(w *world) {
		w.spawnTime = time.Second
		w.start("kv")
	}
	for _, c := range []struct {
		name     string
		before   func(*world)
		requests func(*world)
		want     string
	}{
		{"a start waits for a stop", slowKV, func(w *world) {
			w.stop("kv")
			w.start("kv")
			w.shutdown()
		}, `
			0s SIGTERM 101
			0s start kv: error: service 'kv' was stopped
			3s exit 101: exit status 0
			3s shutdown: ok
			3s stop kv: ok
		`},
		{"it is being spawned", spawningKV, (*world).shutdown, `
			0s start kv: error: …
			1s spawn kv 101
			1s SIGTERM 101
			1s exit 101: signal: terminated
			1s shutdown: ok
		`},
		{"the disk does not answer a restart", func(w *world) {
			w.up("kv")
			w.set(func() { w.loadTime = time.Hour })
			w.crash()
			w.wait(backoff(1))
		}, (*world).shutdown, `
			0s shutdown: ok
		`},
		{"without grace", slowKV, (*world).kill, `
			0s SIGKILL 101
			0s exit 101: signal: killed
			0s kill: ok
		`},
		{"it is being spawned, without grace", spawningKV, func(w *world) {
			w.kill()
			w.stop("kv") // gives no grace
		}, `
			0s start kv: error: …
			1s spawn kv 101
			1s SIGKILL 101
			1s exit 101: signal: killed
			1s kill: ok
			1s stop kv: ok
		`},
		{"cut short", slowKV, func(w *world) {
			w.shutdown()
			w.at(time.Second)
			w.kill()
		}, `
			0s SIGTERM 101
			1s SIGKILL 101
			1s exit 101: signal: killed
			1s kill: ok
			1s shutdown: ok
		`},
	} {
		t.Run(c.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.install("db", 9300)
				c.before(w)
				w.restartClock()
				c.requests(w)
				w.at(2 * time.Hour)
				w.expect(c.want)
				w.nothingLeft()
				w.start("kv")
				w.start("db")
				w.expect(`
					start db: error: the daemon is shutting down
					start kv: error: the daemon is shutting down
				`)
			})
		})
	}
}

// However the requests interleave, each is answered, and nothing runs when Shutdown has returned.
func TestStartsAndStopsRaceWithShutdown(t *testing.T) {
	for range 200 {
		t.Run("", func(t *testing.T) {
			inWorld(t, func(w *world) {
				var answers atomic.Int32
				for range 8 {
					go func() { w.sup.Start("kv"); answers.Add(1) }()
					go func() { w.sup.Stop("kv"); answers.Add(1) }()
				}
				if err := w.sup.Shutdown(); err != nil {
					t.Error(err)
				}
				synctest.Wait()
				w.nothingLeft()
				if n := answers.Load(); n != 16 {
					t.Errorf("%d of 16 were answered", n)
				}
			})
		})
	}
}

// A start that found its service before the shutdown did may reach it later.
func TestStartOvertakenByShutdown(t *testing.T) {
	inWorld(t, func(w *world) {
		p := w.up("kv")
		w.set(func() { p.slow = time.Second })
		svc, _ := w.sup.forStart("kv")
		w.shutdown()
		w.stop("kv")
		reply := make(chan startReply, 1)
		svc.send(startMsg{reply})
		w.at(time.Minute)
		if r := <-reply; r.err != ErrShutdown {
			t.Errorf("%+v", r)
		}
		w.nothingLeft()
	})
}
