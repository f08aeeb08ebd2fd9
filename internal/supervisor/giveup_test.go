package supervisor

import (
	"errors"
	"testing"
	"time"
)

// Given up, but its process has not gone yet.
func TestStartAndStopOfOneThatIsBeingGivenUp(t *testing.T) {
	inWorld(t, func(w *world) {
		p := w.failing("kv", 5)
		w.set(func() { p.deaf, p.takes = true, hangs })
		w.at(11 * time.Second)
		w.forget()
		w.start("kv")
		w.at(12 * time.Second)
		w.stop("kv")
		w.at(time.Minute)
		w.expect(`
			12s daemon: stopping service 'kv'
			12s start kv: service 'kv' was stopped
			15s SIGKILL 105
			15s exit 105: signal: killed
			15s stop kv: ok
		`)
		w.nothingLeft()
	})
}

func TestStartOfOneThatIsBeingGivenUpStartsAnew(t *testing.T) {
	inWorld(t, func(w *world) {
		p := w.failing("kv", 5)
		w.set(func() { p.slow, p.takes = 3*time.Second, hangs })
		w.at(11 * time.Second)
		w.forget()
		w.start("kv")
		w.at(time.Minute)
		w.expect(`
			13s exit 105: exit status 0
			13s spawn kv 106
			13s daemon: started service 'kv' on port 9200
			13s start kv: ok
		`)
		if info := w.info("kv"); info.Status != "running" || info.Failures != 0 || info.Restarts != 0 {
			t.Errorf("status in the end: %+v", info)
		}
	})
}

func TestFailedOnlyWhenItsProcessIsGone(t *testing.T) {
	inWorld(t, func(w *world) {
		p := w.failing("kv", 5)
		w.set(func() { p.deaf, p.takes = true, hangs })
		w.at(14 * time.Second)
		if info := w.info("kv"); info.Status != "starting" || info.PID != 105 || info.Failures != 5 || !info.RetryAt.IsZero() {
			t.Errorf("status with the process still there: %+v", info)
		}
		w.at(16 * time.Second)
		if info := w.info("kv"); info.Status != "failed" || info.PID != 0 || info.Failures != 5 {
			t.Errorf("status with the process gone: %+v", info)
		}
	})
}

func TestStartOfAFailedOneClearsTheCount(t *testing.T) {
	inWorld(t, func(w *world) {
		p := w.up("kv")
		w.set(func() { w.spawnErr = errors.New("no") })
		p.exit("exit status 1")
		w.at(time.Minute)
		w.set(func() { w.spawnErr = nil; w.loadTime = time.Second })
		w.forget()
		w.start("kv")
		if info := w.info("kv"); info.Status != "starting" || info.Failures != 0 || info.LastError != "" {
			t.Errorf("status of the new start: %+v", info)
		}
		w.at(62 * time.Second)
		w.last().exit("exit status 2")
		w.at(70 * time.Second)
		w.expect(`
			1m1s spawn kv 102
			1m1s daemon: started service 'kv' on port 9200
			1m1s start kv: ok
			1m2s exit 102: exit status 2
			1m2s daemon: service 'kv' unhealthy (failure 1/5): exit status 2
			1m2s daemon: restarting 'kv' in 1s
			1m4s spawn kv 103
			1m4s daemon: service 'kv' restarted successfully
		`)
	})
}

func TestStartOfAFailedOneThatFailsAgain(t *testing.T) {
	inWorld(t, func(w *world) {
		p := w.up("kv")
		w.set(func() { w.spawnErr = errors.New("no") })
		p.exit("exit status 1")
		w.at(time.Minute)
		w.start("kv")
		w.onlyFailed("kv", "no")
	})
}
