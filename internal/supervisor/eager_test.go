package supervisor

import (
	"errors"
	"testing"
	"time"

	"zr/internal/packages"
)

func (w *world) installEager(name string, port int) {
	w.install(name, port)
	w.change(name, func(pkg *packages.Service) { pkg.Eager = true })
}

func (w *world) startEager(name string) {
	w.ask("eager "+name, func() error { w.sup.StartEager(name); return nil })
}

// An eager service whose first start fails is listed, and retried like a crashed one. StartEager
// returns when the first attempt has ended.
func TestEagerIsRetried(t *testing.T) {
	inWorld(t, func(w *world) {
		w.installEager("kv", 9200)
		w.setup = func(p *proc) {
			if p.pid == 101 {
				p.ready, p.dies = time.Minute, 300*time.Millisecond
			}
		}
		w.startEager("kv")
		w.at(300 * time.Millisecond)
		if info := w.info("kv"); info.Status != "starting" || info.Failures != 1 || info.RetryAt.IsZero() {
			t.Errorf("status in the back-off: %+v", info)
		}
		w.wait(backoff(1))
		w.expect(`
			0s spawn kv 101
			300ms exit 101: exit status 1
			300ms eager kv: ok
			restart kv 102 after failure 1: exited before it was healthy: exit status 1
		`)
		w.is("kv", "running")
	})
}

// A client's start of an eager service that keeps failing waits until the service is given up.
func TestEagerIsGivenUp(t *testing.T) {
	inWorld(t, func(w *world) {
		w.installEager("kv", 9200)
		w.spawnErr = errors.New("no")
		w.startEager("kv")
		w.forget()
		w.start("kv")
		w.at(time.Minute)
		w.expect(`
			restart kv fails after failure 1: no
			restart kv fails after failure 2: no
			restart kv fails after failure 3: no
			restart kv fails after failure 4: no
			start kv: error: …
		`)
		w.onlyFailed("kv", "no")
	})
}

// A package that cannot be read at boot may be eager. It is read again later, and started if it is.
func TestEagerThatCannotBeRead(t *testing.T) {
	for status, install := range map[string]func(w *world){
		"running": func(w *world) { w.installEager("new", 9300) },
		"":        func(w *world) { w.install("new", 9300) },
	} {
		t.Run(status, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.startEager("new")
				w.at(backoff(1) / 2)
				if info := w.info("new"); info.Status != "starting" || info.LastError != "package 'new' not found" {
					t.Errorf("status of a package that cannot be read: %+v", info)
				}
				install(w)
				w.at(backoff(1))
				w.is("new", status)
			})
		})
	}
}

// Each client's start reads the package at once, and gets the reason if that fails.
func TestStartOfAnEagerThatCannotBeRead(t *testing.T) {
	inWorld(t, func(w *world) {
		w.startEager("new")
		w.forget()
		w.start("new")
		w.start("new")
		w.expect(`
			0s start new: error: package 'new' not found
			0s start new: error: package 'new' not found
		`)
		if n := w.info("new").Failures; n != 3 {
			t.Errorf("%d failures are counted, want 3", n)
		}
		w.installEager("new", 9300)
		w.start("new")
		w.is("new", "running")
	})
}

// A client may start an eager service before the daemon does.
func TestEagerThatIsStarting(t *testing.T) {
	inWorld(t, func(w *world) {
		w.installEager("kv", 9200)
		w.setup = func(p *proc) { p.ready = time.Second }
		w.start("kv")
		w.startEager("kv")
		w.at(2 * time.Second)
		w.expect(`
			0s spawn kv 101
			0s eager kv: ok
			1s start kv: ok
		`)
	})
}

func TestStopOfAnEager(t *testing.T) {
	inWorld(t, func(w *world) {
		w.installEager("kv", 9200)
		w.spawnErr = errors.New("no")
		w.startEager("kv")
		w.stop("kv")
		w.at(time.Minute)
		w.nothingLeft()
		w.set(func() { w.spawnErr = nil })
		w.forget()
		w.startEager("kv")
		w.expect(`
			spawn kv 101
			eager kv: ok
		`)
	})
}
