package supervisor

import (
	"testing"
	"time"
)

// undying brings kv up with a process that survives SIGKILL.
func undying(w *world) *proc {
	p := w.up("kv")
	w.set(func() { p.deaf, p.immortal = true, true })
	return p
}

// A process that SIGKILL does not end is an error for every client that waits for it, and delays no
// other service. It is listed until it ends.
func TestStopOfAStuckProcess(t *testing.T) {
	const stuckError = "service 'kv': process 101 is still there 5s after SIGKILL, stuck in the kernel or not the daemon's to kill"
	inWorld(t, func(w *world) {
		w.install("db", 9300)
		p := undying(w)
		w.stop("kv")
		w.at(4 * time.Second)
		w.start("kv")
		w.at(10 * time.Second)
		w.expect(`
			0s SIGTERM 101
			5s SIGKILL 101
			10s start kv: error: ` + stuckError + `
			10s stop kv: error: ` + stuckError)
		w.at(11 * time.Second)
		w.start("kv")
		w.stop("kv")
		w.start("db")
		w.expect(`
			11s spawn db 102
			11s start db: ok
			11s start kv: error: ` + stuckError + `
			11s stop kv: error: ` + stuckError)
		if info := w.info("kv"); info.Status != "failed" || info.PID != 101 {
			t.Errorf("status while it is stuck: %+v", info)
		}
		w.at(time.Hour)
		w.expect("")
		p.exit("signal: killed")
		w.at(time.Hour)
		w.is("kv", "")
		w.start("kv")
		w.is("kv", "running")
	})
}

// A process that gets stuck in a restart, which no client asked to stop, stays listed as failed when
// it has ended.
func TestStuckInARestart(t *testing.T) {
	inWorld(t, func(w *world) {
		p := undying(w)
		w.failCheck("kv")
		w.start("kv")
		w.wait(backoff(1))
		w.zero = time.Now()
		w.at(time.Minute)
		w.expect(`
			SIGTERM 101
			0s SIGKILL 101
			5s start kv: error: …
		`)
		why := w.info("kv").LastError
		p.exit("signal: killed")
		w.at(2 * time.Minute)
		w.onlyFailed("kv", why)
	})
}

func TestStuckInAShutdown(t *testing.T) {
	inWorld(t, func(w *world) {
		w.install("db", 9300)
		undying(w)
		w.up("db")
		w.shutdown()
		w.at(9 * time.Second)
		w.is("db", "")
		w.forget()
		w.at(time.Minute)
		w.expect("10s shutdown: error: service 'kv'…")
		w.start("kv")
		w.expect("start kv: error: the daemon is shutting down")
	})
}

// A start that got stuck does not change the outcome of later starts.
func TestStuckInAStart(t *testing.T) {
	inWorld(t, func(w *world) {
		w.setup = func(p *proc) { p.takes, p.deaf, p.immortal = hangs, true, true }
		w.start("kv")
		w.at(time.Minute)
		w.last().exit("signal: killed")
		w.set(func() { w.setup = nil })
		w.at(time.Minute)
		p := w.upAfter(4, "kv")
		w.set(func() { p.slow = time.Second })
		w.failCheck("kv")
		w.start("kv")
		w.at(time.Minute)
		w.expect(`
			0s SIGTERM 106
			1s exit 106: exit status 0
			1s spawn kv 107
			1s start kv: ok
		`)
	})
}
