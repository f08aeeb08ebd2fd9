package supervisor

import (
	"errors"
	"testing"
	"time"

	"zr/internal/packages"
)

func (w *world) installEager(name string, port int) {
	w.install(name, port)
	w.set(func() {
		pkg := w.installed[name]
		pkg.Eager = true
		w.installed[name] = pkg
	})
}

// startEager notes when the first attempt has ended.
func (w *world) startEager(name string) {
	w.ask("eager "+name, func() error { w.sup.StartEager(name); return nil })
}

// An eager service whose first start fails is retried as a crashed one is, and listed meanwhile.
func TestEagerIsRetried(t *testing.T) {
	inWorld(t, func(w *world) {
		w.installEager("kv", 9200)
		w.setup = func(p *proc) {
			if p.pid == 101 {
				p.ready, p.dies = time.Minute, 300*time.Millisecond
			}
		}
		w.startEager("kv")
		w.at(time.Second)
		if info := w.info("kv"); info.Status != "starting" || info.Failures != 1 || info.RetryAt.IsZero() {
			t.Errorf("status in the back-off: %+v", info)
		}
		w.at(2 * time.Second)
		w.expect(`
			0s spawn kv 101
			0s daemon: started service 'kv' on port 9200
			300ms exit 101: exit status 1
			300ms daemon: failed to start 'kv': exited before it was healthy: exit status 1
			300ms daemon: service 'kv' unhealthy (failure 1/5): exited before it was healthy: exit status 1
			300ms daemon: restarting 'kv' in 1s
			300ms eager kv: ok
			1.3s spawn kv 102
			1.3s daemon: started service 'kv' on port 9200
		`)
		if info := w.info("kv"); info.Status != "running" {
			t.Errorf("status after it: %+v", info)
		}
	})
}

// It ends as failed, and a client's start that came meanwhile waits for that.
func TestEagerIsGivenUp(t *testing.T) {
	inWorld(t, func(w *world) {
		w.installEager("kv", 9200)
		w.set(func() { w.spawnErr = errors.New("no") })
		w.startEager("kv")
		w.start("kv")
		w.at(time.Minute)
		w.onlyFailed("kv", "no")
		if notes := w.notes(); notes[len(notes)-1].text != "start kv: service 'kv' marked as failed after 5 consecutive failures: no" {
			t.Errorf("the last note is %q", notes[len(notes)-1].text)
		}
	})
}

// A broken package may be eager: it is read again, and started once it can be.
func TestEagerThatCannotBeRead(t *testing.T) {
	for about, install := range map[string]func(w *world){
		"eager":     func(w *world) { w.installEager("new", 9300) },
		"not eager": func(w *world) { w.install("new", 9300) },
	} {
		t.Run(about, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.startEager("new")
				w.at(500 * time.Millisecond)
				if info := w.info("new"); info.Status != "starting" || info.LastError != "package 'new' not found" {
					t.Errorf("status of what cannot be read: %+v", info)
				}
				install(w)
				w.at(2 * time.Second)
				if info := w.info("new"); (info.Status == "running") != (about == "eager") || (info == Info{}) != (about == "not eager") {
					t.Errorf("status of what can be read: %+v", info)
				}
			})
		})
	}
}

// A client that asks for one gets the reason at once, and so does each further one.
func TestStartOfAnEagerThatCannotBeRead(t *testing.T) {
	inWorld(t, func(w *world) {
		w.startEager("new")
		w.forget()
		w.start("new")
		w.start("new")
		w.expect(`
			0s daemon: failed to start 'new': package 'new' not found
			0s daemon: service 'new' unhealthy (failure 2/5): package 'new' not found
			0s daemon: restarting 'new' in 2s
			0s daemon: failed to start 'new': package 'new' not found
			0s daemon: service 'new' unhealthy (failure 3/5): package 'new' not found
			0s daemon: restarting 'new' in 4s
			0s start new: package 'new' not found
			0s start new: package 'new' not found
		`)
		w.installEager("new", 9300)
		w.start("new")
		if info := w.info("new"); info.Status != "running" {
			t.Errorf("status: %+v", info)
		}
	})
}

func TestStopOfAnEager(t *testing.T) {
	inWorld(t, func(w *world) {
		w.installEager("kv", 9200)
		w.set(func() { w.spawnErr = errors.New("no") })
		w.startEager("kv")
		w.stop("kv")
		w.at(time.Minute)
		w.nothingLeft()
		w.set(func() { w.spawnErr = nil })
		w.startEager("kv")
		if info := w.info("kv"); info.Status != "running" {
			t.Errorf("status: %+v", info)
		}
	})
}

// What the definition says of times is kept to.

func (w *world) change(name string, change func(*packages.Service)) {
	w.set(func() {
		pkg := w.installed[name]
		change(&pkg)
		w.installed[name] = pkg
	})
}

func TestStartTimeout(t *testing.T) {
	for timeout, want := range map[time.Duration]string{
		30 * time.Second:        "running",
		1700 * time.Millisecond: "failed",
	} {
		t.Run(timeout.String(), func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.change("kv", func(pkg *packages.Service) { pkg.StartTimeout = timeout })
				w.setup = func(p *proc) { p.ready = 20 * time.Second }
				w.start("kv")
				w.at(timeout - time.Millisecond)
				if notes := w.notes(); want == "failed" && len(notes) != 2 {
					t.Errorf("it ended before its time: %+v", notes)
				}
				w.at(timeout + time.Millisecond)
				if info := w.info("kv"); info.Status != want {
					t.Errorf("status: %+v", info)
				}
			})
		})
	}
}

// A restart waits for the end of the old process as long as the stop timeout, if that is longer
// than the back-off, and no longer than the process takes.
func TestStopTimeout(t *testing.T) {
	inWorld(t, func(w *world) {
		w.change("kv", func(pkg *packages.Service) { pkg.StopTimeout, pkg.StopTimeoutSet = 20*time.Second, true })
		p := w.failing("kv", 1)
		w.set(func() { p.ill, p.slow = errors.New("ill"), 7*time.Second })
		w.at(30 * time.Second)
		p = w.last()
		w.set(func() { p.deaf = true })
		w.stop("kv")
		w.at(time.Minute)
		w.expect(`
			8s daemon: service 'kv' unhealthy (failure 1/5): ill
			8s daemon: restarting 'kv' in 1s
			8s SIGTERM 101
			15s exit 101: exit status 0
			15s spawn kv 102
			15s daemon: service 'kv' restarted successfully
			30s daemon: stopping service 'kv'
			30s SIGTERM 102
			50s SIGKILL 102
			50s exit 102: signal: killed
			50s stop kv: ok
		`)
	})
}

// A failed check is tolerated health-retries times in a row, and made again after a second.
func TestHealthRetries(t *testing.T) {
	inWorld(t, func(w *world) {
		w.change("kv", func(pkg *packages.Service) { pkg.HealthRetries = 2 })
		p := w.failing("kv", 1)
		w.set(func() { p.ill = errors.New("ill") })
		w.at(8500 * time.Millisecond)
		w.set(func() { p.ill = nil })
		w.at(15 * time.Second)
		w.expect("8s daemon: service 'kv' failed a check (1 of 2 tolerated): ill\n")
		w.set(func() { p.ill = errors.New("ill") })
		w.at(20 * time.Second)
		w.expect(`
			18s daemon: service 'kv' failed a check (1 of 2 tolerated): ill
			19s daemon: service 'kv' failed a check (2 of 2 tolerated): ill
			20s daemon: service 'kv' unhealthy (failure 1/5): ill
			20s daemon: restarting 'kv' in 1s
			20s SIGTERM 101
			20s exit 101: signal: terminated
		`)
	})
}

// While the program of one service cannot be read, another starts, a stop ends the first one, and
// its start says why it took so long.
func TestProgramThatIsNotExecuted(t *testing.T) {
	inWorld(t, func(w *world) {
		w.install("db", 9300)
		w.setup = func(p *proc) {
			if p.pkg.Name == "kv" {
				p.loads = time.Hour
			}
		}
		w.start("kv")
		w.start("db")
		w.at(time.Second)
		w.stop("kv")
		w.start("kv")
		w.at(time.Minute)
		w.expect(`
			0s spawn kv 101
			0s spawn db 102
			0s daemon: started service 'db' on port 9300
			0s start db: ok
			1s daemon: stopping service 'kv'
			1s SIGTERM 101
			1s exit 101: signal: terminated
			1s spawn kv 103
			1s start kv: service 'kv' was stopped
			1s stop kv: ok
			11s daemon: failed to start 'kv': health check timeout: its program could not be read yet; the disk may not answer
			11s SIGTERM 103
			11s exit 103: signal: terminated
			11s start kv: health check timeout: its program could not be read yet; the disk may not answer
		`)
	})
}

func TestProgramThatCannotBeExecuted(t *testing.T) {
	inWorld(t, func(w *world) {
		w.setup = func(p *proc) { p.never, p.dies = errors.New("/kv: exec format error"), time.Nanosecond }
		w.start("kv")
		w.at(time.Second)
		w.expect(`
			0s spawn kv 101
			0s exit 101: exit status 1
			0s daemon: failed to start 'kv': failed to spawn service: /kv: exec format error
			0s start kv: failed to spawn service: /kv: exec format error
		`)
	})
}

// Time in which the daemon was paused does not count as a service's.
func TestPausesDoNotCount(t *testing.T) {
	t.Parallel()
	s := &service{timer: time.NewTimer(time.Hour), state: starting, startLeft: 10 * time.Second}
	for range 100 {
		s.deadline(true)
	}
	s.deadline(false)
	if s.startLeft != 9500*time.Millisecond || time.Until(s.until) > startStep {
		t.Errorf("%v are left of the start timeout, and its next step ends at %v", s.startLeft, s.until)
	}
}
