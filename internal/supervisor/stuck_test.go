package supervisor

import (
	"errors"
	"testing"
	"time"
)

// A process that SIGKILL does not end is an error to all who ask, and nobody
// else's trouble. It is listed until it goes.
func TestStopOfAStuckOne(t *testing.T) {
	inWorld(t, func(w *world) {
		w.install("db", 9300)
		p := w.up("kv")
		w.set(func() { p.deaf, p.immortal = true, true })
		w.stop("kv")
		w.at(4 * time.Second)
		w.start("kv")
		w.at(10 * time.Second)
		w.expect(`
			0s daemon: stopping service 'kv'
			0s SIGTERM 101
			5s SIGKILL 101
			10s daemon: service 'kv': process 101 is still there 5s after SIGKILL, stuck in the kernel or not the daemon's to kill
			10s start kv: service 'kv': process 101 is still there 5s after SIGKILL, stuck in the kernel or not the daemon's to kill
			10s stop kv: service 'kv': process 101 is still there 5s after SIGKILL, stuck in the kernel or not the daemon's to kill
		`)
		w.at(11 * time.Second)
		w.start("kv")
		w.start("db")
		w.at(12 * time.Second)
		w.stop("kv")
		if info := w.info("kv"); info.Status != "failed" || info.PID != 101 {
			t.Errorf("status of the stuck one: %+v", info)
		}
		w.at(time.Hour)
		w.expect(`
			11s spawn db 102
			11s daemon: started service 'db' on port 9300
			11s start db: ok
			11s start kv: service 'kv': process 101 is still there 5s after SIGKILL, stuck in the kernel or not the daemon's to kill
			12s daemon: stopping service 'kv'
			12s stop kv: service 'kv': process 101 is still there 5s after SIGKILL, stuck in the kernel or not the daemon's to kill
		`)
		p.exit("signal: killed")
		w.at(time.Hour)
		if list := w.sup.Status(); len(list) != 1 || list[0].Name != "db" {
			t.Errorf("listed in the end: %+v", list)
		}
		w.start("kv")
		w.expect(`
			1h0m0s exit 101: signal: killed
			1h0m0s spawn kv 103
			1h0m0s daemon: started service 'kv' on port 9200
			1h0m0s start kv: ok
		`)
	})
}

// Nobody asked to stop it: it stays listed as failed when it has gone.
func TestStuckInARestart(t *testing.T) {
	inWorld(t, func(w *world) {
		p := w.up("kv")
		w.set(func() { p.ill, p.deaf, p.immortal = errors.New("ill"), true, true })
		w.at(8500 * time.Millisecond)
		w.start("kv")
		w.at(time.Minute)
		w.expect(`
			8s daemon: service 'kv' unhealthy (failure 1/5): ill
			8s daemon: restarting 'kv' in 1s
			8s SIGTERM 101
			9s SIGKILL 101
			14s daemon: service 'kv': process 101 is still there 5s after SIGKILL, stuck in the kernel or not the daemon's to kill
			14s start kv: service 'kv': process 101 is still there 5s after SIGKILL, stuck in the kernel or not the daemon's to kill
		`)
		p.exit("signal: killed")
		w.at(2 * time.Minute)
		info := w.info("kv")
		if info.Status != "failed" || info.PID != 0 {
			t.Errorf("status when it has gone: %+v", info)
		}
		if want := "service 'kv': process 101 is still there 5s after SIGKILL, stuck in the kernel or not the daemon's to kill"; info.LastError != want {
			t.Errorf("last error: %s", info.LastError)
		}
	})
}

func TestStuckInAShutdown(t *testing.T) {
	inWorld(t, func(w *world) {
		w.install("db", 9300)
		p := w.up("kv")
		w.up("db")
		w.set(func() { p.deaf, p.immortal = true, true })
		w.shutdown()
		w.at(time.Minute)
		notes := w.notes()
		if got := notes[len(notes)-1]; got.at != 10*time.Second ||
			got.text != "shutdown: service 'kv': process 101 is still there 5s after SIGKILL, stuck in the kernel or not the daemon's to kill" {
			t.Errorf("%v %s", got.at, got.text)
		}
		w.start("kv")
		w.start("db")
		w.expect(`
			1m0s start db: the daemon is shutting down
			1m0s start kv: the daemon is shutting down
		`)
	})
}

// Somebody did: its entry goes with it.
func TestStuckInAStopGoesLater(t *testing.T) {
	inWorld(t, func(w *world) {
		p := w.up("kv")
		w.set(func() { p.deaf, p.immortal = true, true })
		w.stop("kv")
		w.at(time.Minute)
		p.exit("signal: killed")
		w.at(time.Minute)
		w.nothingLeft()
	})
}

// What became of the start that got stuck is nothing to later ones.
func TestStuckInAStartDoesNotSpoilLaterOnes(t *testing.T) {
	inWorld(t, func(w *world) {
		w.setup = func(p *proc) { p.takes, p.deaf, p.immortal = hangs, true, true }
		w.start("kv")
		w.at(time.Minute)
		w.last().exit("signal: killed")
		w.set(func() { w.setup = nil })
		w.at(time.Minute)
		p := w.failing("kv", 5)
		w.set(func() { p.takes, p.slow = hangs, time.Second })
		w.at(10 * time.Second)
		w.forget()
		w.start("kv")
		w.at(time.Minute)
		w.expect(`
			11s exit 106: exit status 0
			11s spawn kv 107
			11s daemon: started service 'kv' on port 9200
			11s start kv: ok
		`)
	})
}
