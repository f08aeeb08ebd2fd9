package supervisor

import (
	"errors"
	"testing"
	"time"

	"zr/internal/packages"
)

func (s *simulation) installEager(name string, port int) {
	s.install(name, port)
	s.change(name, func(pkg *packages.Service) { pkg.Eager = true })
}

func (s *simulation) startEager(name string) {
	s.ask("eager "+name, func() error { s.sup.StartEager(name); return nil })
}

// An eager service whose first start fails is listed, and retried like a crashed one. StartEager
// returns when the first attempt has ended.
func TestEagerIsRetried(t *testing.T) {
	simulate(t, func(s *simulation) {
		s.installEager("kv", 9200)
		s.setup = func(p *proc) {
			if p.pid == 101 {
				p.ready, p.dies = time.Minute, 300*time.Millisecond
			}
		}
		s.startEager("kv")
		s.at(300 * time.Millisecond)
		if info := s.info("kv"); info.Status != "starting" || info.Failures != 1 || info.RetryAt.IsZero() {
			t.Errorf("status in the back-off: %+v", info)
		}
		s.wait(backoff(1))
		s.expect(`
			0s spawn kv 101
			300ms exit 101: exit status 1
			300ms eager kv: ok
			restart kv 102 after failure 1: exited before it was healthy: exit status 1
		`)
		s.is("kv", "running")
	})
}

// A client's start of an eager service that keeps failing waits until the service is given up.
func TestEagerIsGivenUp(t *testing.T) {
	simulate(t, func(s *simulation) {
		s.installEager("kv", 9200)
		s.spawnErr = errors.New("no")
		s.startEager("kv")
		s.forget()
		s.start("kv")
		s.at(time.Minute)
		s.expect(`
			restart kv fails after failure 1: no
			restart kv fails after failure 2: no
			restart kv fails after failure 3: no
			restart kv fails after failure 4: no
			start kv: error: …
		`)
		s.onlyFailed("kv", "no")
	})
}

// A package that cannot be read at boot may be eager. It is read again later, and started if it is.
func TestEagerThatCannotBeRead(t *testing.T) {
	for status, install := range map[string]func(s *simulation){
		"running": func(s *simulation) { s.installEager("new", 9300) },
		"":        func(s *simulation) { s.install("new", 9300) },
	} {
		t.Run(status, func(t *testing.T) {
			simulate(t, func(s *simulation) {
				s.startEager("new")
				s.at(backoff(1) / 2)
				if info := s.info("new"); info.Status != "starting" || info.LastError != "package 'new' not found" {
					t.Errorf("status of a package that cannot be read: %+v", info)
				}
				install(s)
				s.at(backoff(1))
				s.is("new", status)
			})
		})
	}
}

// Each client's start reads the package at once, and gets the reason if that fails.
func TestStartOfAnEagerThatCannotBeRead(t *testing.T) {
	simulate(t, func(s *simulation) {
		s.startEager("new")
		s.forget()
		s.start("new")
		s.start("new")
		s.expect(`
			0s start new: error: package 'new' not found
			0s start new: error: package 'new' not found
		`)
		if n := s.info("new").Failures; n != 3 {
			t.Errorf("%d failures are counted, want 3", n)
		}
		s.installEager("new", 9300)
		s.start("new")
		s.is("new", "running")
	})
}

// A client may start an eager service before the daemon does.
func TestEagerThatIsStarting(t *testing.T) {
	simulate(t, func(s *simulation) {
		s.installEager("kv", 9200)
		s.setup = func(p *proc) { p.ready = time.Second }
		s.start("kv")
		s.startEager("kv")
		s.at(2 * time.Second)
		s.expect(`
			0s spawn kv 101
			0s eager kv: ok
			1s start kv: ok
		`)
	})
}

func TestStopOfAnEager(t *testing.T) {
	simulate(t, func(s *simulation) {
		s.installEager("kv", 9200)
		s.spawnErr = errors.New("no")
		s.startEager("kv")
		s.stop("kv")
		s.at(time.Minute)
		s.nothingLeft()
		s.set(func() { s.spawnErr = nil })
		s.forget()
		s.startEager("kv")
		s.expect(`
			spawn kv 101
			eager kv: ok
		`)
	})
}
