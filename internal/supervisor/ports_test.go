package supervisor

import (
	"errors"
	"testing"
	"time"
)

func TestTwoServicesWithOnePort(t *testing.T) {
	simulate(t, func(s *simulation) {
		s.install("db", 9200)
		s.up("kv")
		s.start("db")
		s.set(func() { s.holders[9200] = "pid 101 (kv)" })
		s.start("db")
		s.expect(`
			0s start db: error: port 9200 is held by pid 101 (kv), service 'kv'
			0s start db: error: port 9200 is held by service 'kv'
		`)
		s.stop("kv")
		s.up("db")
		s.start("kv")
		s.expect("0s start kv: error: port 9200 is held by …")
	})
}

// Of two services that start at once, one gets the port.
func TestTwoServicesRaceForOnePort(t *testing.T) {
	simulate(t, func(s *simulation) {
		s.install("db", 9200)
		s.loadTime = time.Second
		s.start("kv")
		s.start("db")
		s.at(time.Minute)
		kv, db := s.info("kv"), s.info("db")
		if s.last().pid != 101 || (kv.Status == "running") == (db.Status == "running") {
			t.Errorf("kv is %s, db is %s, and the last process is %d; want one to run", kv.Status, db.Status, s.last().pid)
		}
	})
}

// A service keeps its port in a back-off. If another took it, every restart would fail.
func TestABackoffKeepsThePort(t *testing.T) {
	simulate(t, func(s *simulation) {
		s.install("db", 9200)
		s.up("kv")
		s.crash()
		s.start("db")
		s.is("db", "failed")
		s.at(backoff(1))
		s.is("kv", "running")
	})
}

// A service that is neither running nor to be restarted holds no port.
func TestPortIsReleased(t *testing.T) {
	for name, before := range map[string]func(*simulation){
		"by a service that is given up": func(s *simulation) { s.giveUp("kv") },
		"by a start that fails": func(s *simulation) {
			s.spawnErr = errors.New("no")
			s.start("kv")
			s.set(func() { s.spawnErr = nil })
		},
		"by a service whose package was removed": func(s *simulation) {
			s.up("kv")
			s.set(func() { delete(s.installed, "kv") })
			s.crash()
			s.at(backoff(1))
		},
	} {
		t.Run(name, func(t *testing.T) {
			simulate(t, func(s *simulation) {
				s.install("db", 9200)
				before(s)
				s.up("db")
			})
		})
	}
}

// An upgrade moves a service to another port with its next spawn, which releases the old one.
func TestUpgradeReleasesTheOldPort(t *testing.T) {
	simulate(t, func(s *simulation) {
		s.up("kv")
		s.install("kv", 9300)
		s.install("db", 9200)
		s.install("web", 9300)
		s.crash()
		s.at(backoff(1))
		s.up("db")
		s.start("web")
		s.expect("0s start web: error: port 9300 is held by service 'kv'")
	})
}

// An upgrade to the port of another service fails until that service is stopped.
func TestUpgradeToAPortThatIsTaken(t *testing.T) {
	simulate(t, func(s *simulation) {
		s.install("db", 9300)
		s.up("db")
		s.up("kv")
		s.install("kv", 9300)
		s.crash()
		s.wait(backoff(1))
		if info := s.info("kv"); info.Failures != 2 || info.LastError != "port 9300 is held by service 'db'" {
			t.Errorf("status while db has the port: %+v", info)
		}
		s.stop("db")
		s.wait(backoff(2))
		s.is("kv", "running")
	})
}

// Two services that exchange their ports both come up again: each releases its old port before it
// claims the new one.
func TestPortsThatAreExchanged(t *testing.T) {
	simulate(t, func(s *simulation) {
		s.install("db", 9300)
		db := s.up("db")
		kv := s.up("kv")
		s.install("kv", 9300)
		s.install("db", 9200)
		kv.exit("exit status 1")
		s.at(100 * time.Millisecond)
		db.exit("exit status 1")
		s.at(backoff(1) + 100*time.Millisecond)
		s.is("db", "running")
		s.at(backoff(1) + backoff(2))
		s.is("kv", "running")
	})
}
