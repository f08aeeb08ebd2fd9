package supervisor

import (
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// Each takes 4 s to end, and so do all together, the one in a back-off too.
func TestShutdownIsSideBySide(t *testing.T) {
	inWorld(t, func(w *world) {
		w.setup = func(p *proc) { p.slow = 4 * time.Second }
		for i := range 50 {
			name := fmt.Sprintf("s%d", i)
			w.install(name, 10000+i)
			w.up(name)
		}
		w.up("kv").exit("exit status 1")
		w.at(0)
		w.shutdown()
		w.shutdown()
		w.at(4 * time.Second)
		w.nothingLeft()
		notes := w.notes()
		for _, e := range notes[len(notes)-2:] {
			if e.at != 4*time.Second || e.text != "shutdown: ok" {
				t.Errorf("%v %s", e.at, e.text)
			}
		}
	})
}

func TestShutdownRefusesStarts(t *testing.T) {
	inWorld(t, func(w *world) {
		w.install("db", 9300)
		p := w.up("kv")
		w.set(func() { p.slow = time.Second })
		w.stop("kv")
		w.start("kv")
		w.shutdown()
		w.start("kv")
		w.start("db")
		w.at(time.Minute)
		w.start("kv")
		w.expect(`
			0s daemon: stopping service 'kv'
			0s SIGTERM 101
			0s start db: the daemon is shutting down
			0s start kv: service 'kv' was stopped
			0s start kv: the daemon is shutting down
			1s exit 101: exit status 0
			1s shutdown: ok
			1s stop kv: ok
			1m0s start kv: the daemon is shutting down
		`)
	})
}

func TestShutdownWhileOneSpawns(t *testing.T) {
	inWorld(t, func(w *world) {
		w.spawnTime = time.Second
		w.start("kv")
		w.shutdown()
		w.at(time.Minute)
		w.expect(`
			0s daemon: stopping service 'kv'
			0s start kv: service 'kv' was stopped
			1s spawn kv 101
			1s SIGTERM 101
			1s exit 101: signal: terminated
			1s shutdown: ok
		`)
	})
}

// However the requests interleave, each is answered, and nothing runs when
// Shutdown has returned.
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

func TestKillIsWithoutGrace(t *testing.T) {
	inWorld(t, func(w *world) {
		w.install("db", 9300)
		w.setup = func(p *proc) { p.slow = 3 * time.Second }
		w.up("kv")
		w.kill()
		w.expect(`
			0s daemon: stopping service 'kv'
			0s SIGKILL 101
			0s exit 101: signal: killed
			0s kill: ok
		`)
	})
}

func TestKillCutsAShutdownShort(t *testing.T) {
	inWorld(t, func(w *world) {
		w.setup = func(p *proc) { p.slow = 3 * time.Second }
		w.up("kv")
		w.shutdown()
		w.at(time.Second)
		w.kill()
		w.expect(`
			0s daemon: stopping service 'kv'
			0s SIGTERM 101
			1s SIGKILL 101
			1s exit 101: signal: killed
			1s kill: ok
			1s shutdown: ok
		`)
	})
}

func TestKillWhileOneSpawns(t *testing.T) {
	inWorld(t, func(w *world) {
		w.spawnTime = time.Second
		w.start("kv")
		w.kill()
		w.stop("kv") // gives no grace back
		w.at(time.Minute)
		w.expect(`
			0s daemon: stopping service 'kv'
			0s start kv: service 'kv' was stopped
			1s spawn kv 101
			1s SIGKILL 101
			1s exit 101: signal: killed
			1s kill: ok
			1s stop kv: ok
		`)
	})
}

// A start that found its service before the shutdown did, and is heard by it
// only afterwards.
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
		w.expect(`
			0s daemon: stopping service 'kv'
			0s SIGTERM 101
			1s exit 101: exit status 0
			1s shutdown: ok
			1s stop kv: ok
		`)
	})
}
