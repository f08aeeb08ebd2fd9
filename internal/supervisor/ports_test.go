package supervisor

import (
	"errors"
	"testing"
	"time"
)

func TestTwoServicesWithOnePort(t *testing.T) {
	inWorld(t, func(w *world) {
		w.install("db", 9200)
		w.up("kv")
		w.start("db")
		w.set(func() { w.holders[9200] = "pid 101 (kv)" })
		w.start("db")
		w.expect(`
			0s start db: error: port 9200 is held by pid 101 (kv), service 'kv'
			0s start db: error: port 9200 is held by service 'kv'
		`)
		w.stop("kv")
		w.up("db")
		w.start("kv")
		w.expect("0s start kv: error: port 9200 is held by …")
	})
}

// Of two services that start at once, one gets the port.
func TestTwoServicesRaceForOnePort(t *testing.T) {
	inWorld(t, func(w *world) {
		w.install("db", 9200)
		w.loadTime = time.Second
		w.start("kv")
		w.start("db")
		w.at(time.Minute)
		kv, db := w.info("kv"), w.info("db")
		if w.last().pid != 101 || (kv.Status == "running") == (db.Status == "running") {
			t.Errorf("kv is %s, db is %s, and the last process is %d; want one to run", kv.Status, db.Status, w.last().pid)
		}
	})
}

// A service keeps its port in a back-off. If another took it, every restart would fail.
func TestABackoffKeepsThePort(t *testing.T) {
	inWorld(t, func(w *world) {
		w.install("db", 9200)
		w.up("kv")
		w.crash()
		w.start("db")
		w.is("db", "failed")
		w.at(backoff(1))
		w.is("kv", "running")
	})
}

// A service that is neither running nor to be restarted holds no port.
func TestPortIsReleased(t *testing.T) {
	for name, before := range map[string]func(*world){
		"by a service that is given up": func(w *world) { w.giveUp("kv") },
		"by a start that fails": func(w *world) {
			w.spawnErr = errors.New("no")
			w.start("kv")
			w.set(func() { w.spawnErr = nil })
		},
		"by a service whose package was removed": func(w *world) {
			w.up("kv")
			w.set(func() { delete(w.installed, "kv") })
			w.crash()
			w.at(backoff(1))
		},
	} {
		t.Run(name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				w.install("db", 9200)
				before(w)
				w.up("db")
			})
		})
	}
}

// An upgrade moves a service to another port with its next spawn, which releases the old one.
func TestUpgradeReleasesTheOldPort(t *testing.T) {
	inWorld(t, func(w *world) {
		w.up("kv")
		w.install("kv", 9300)
		w.install("db", 9200)
		w.install("web", 9300)
		w.crash()
		w.at(backoff(1))
		w.up("db")
		w.start("web")
		w.expect("0s start web: error: port 9300 is held by service 'kv'")
	})
}

// An upgrade to the port of another service fails until that service is stopped.
func TestUpgradeToAPortThatIsTaken(t *testing.T) {
	inWorld(t, func(w *world) {
		w.install("db", 9300)
		w.up("db")
		w.up("kv")
		w.install("kv", 9300)
		w.crash()
		w.wait(backoff(1))
		if info := w.info("kv"); info.Failures != 2 || info.LastError != "port 9300 is held by service 'db'" {
			t.Errorf("status while db has the port: %+v", info)
		}
		w.stop("db")
		w.wait(backoff(2))
		w.is("kv", "running")
	})
}

// Two services that exchange their ports both come up again: each releases its old port before it
// claims the new one.
func TestPortsThatAreExchanged(t *testing.T) {
	inWorld(t, func(w *world) {
		w.install("db", 9300)
		db := w.up("db")
		kv := w.up("kv")
		w.install("kv", 9300)
		w.install("db", 9200)
		kv.exit("exit status 1")
		w.at(100 * time.Millisecond)
		db.exit("exit status 1")
		w.at(backoff(1) + 100*time.Millisecond)
		w.is("db", "running")
		w.at(backoff(1) + backoff(2))
		w.is("kv", "running")
	})
}
