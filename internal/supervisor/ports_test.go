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
		w.stop("kv")
		w.start("db")
		w.start("kv")
		w.expect(`
			0s daemon: failed to start 'db': port 9200 is held by service 'kv'
			0s daemon: failed to start 'db': port 9200 is held by pid 101 (kv), service 'kv'
			0s daemon: stopping service 'kv'
			0s SIGTERM 101
			0s exit 101: signal: terminated
			0s spawn db 102
			0s daemon: started service 'db' on port 9200
			0s daemon: failed to start 'kv': port 9200 is held by pid 101 (kv), service 'db'
			0s start db: ok
			0s start db: port 9200 is held by pid 101 (kv), service 'kv'
			0s start db: port 9200 is held by service 'kv'
			0s start kv: port 9200 is held by pid 101 (kv), service 'db'
			0s stop kv: ok
		`)
	})
}

// Of two that start at once, one gets the port.
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

// The port stays with a service through its back-offs: a neighbour that took it would
// make every restart fail.
func TestABackoffKeepsThePort(t *testing.T) {
	inWorld(t, func(w *world) {
		w.install("db", 9200)
		w.up("kv").exit("exit status 1")
		w.at(0)
		w.start("db")
		w.at(2 * time.Second)
		w.expect(`
			0s exit 101: exit status 1
			0s daemon: service 'kv' unhealthy (failure 1/5): exit status 1
			0s daemon: restarting 'kv' in 1s
			0s daemon: failed to start 'db': port 9200 is held by service 'kv'
			0s start db: port 9200 is held by service 'kv'
			1s spawn kv 102
			1s daemon: service 'kv' restarted successfully
		`)
	})
}

func TestFailedOneReleasesItsPort(t *testing.T) {
	inWorld(t, func(w *world) {
		w.install("db", 9200)
		p := w.up("kv")
		w.set(func() { w.spawnErr = errors.New("no") })
		p.exit("exit status 1")
		w.at(time.Minute)
		w.set(func() { w.spawnErr = nil })
		w.up("db")
	})
}

func TestFailedStartReleasesItsPort(t *testing.T) {
	inWorld(t, func(w *world) {
		w.install("db", 9200)
		w.spawnErr = errors.New("no")
		w.start("kv")
		w.set(func() { w.spawnErr = nil })
		w.up("db")
	})
}

// An upgrade moves a service to another port: the old one is free from its next spawn on.
func TestUpgradeReleasesTheOldPort(t *testing.T) {
	inWorld(t, func(w *world) {
		p := w.up("kv")
		w.install("kv", 9300)
		w.install("db", 9200)
		w.install("web", 9300)
		p.exit("exit status 1")
		w.at(time.Second)
		w.up("db")
		w.start("web")
		w.expect("0s daemon: failed to start 'web': port 9300 is held by service 'kv'\n0s start web: port 9300 is held by service 'kv'\n")
	})
}

// An upgrade that wants the port of another service fails as a restart, until
// the other one goes.
func TestUpgradeToAPortThatIsTaken(t *testing.T) {
	inWorld(t, func(w *world) {
		w.install("db", 9300)
		w.up("db")
		p := w.up("kv")
		w.install("kv", 9300)
		p.exit("exit status 1")
		w.at(2 * time.Second)
		w.stop("db")
		w.at(4 * time.Second)
		w.expect(`
			0s exit 102: exit status 1
			0s daemon: service 'kv' unhealthy (failure 1/5): exit status 1
			0s daemon: restarting 'kv' in 1s
			1s daemon: failed to restart 'kv': port 9300 is held by service 'db'
			1s daemon: service 'kv' unhealthy (failure 2/5): port 9300 is held by service 'db'
			1s daemon: restarting 'kv' in 2s
			2s daemon: stopping service 'db'
			2s SIGTERM 101
			2s exit 101: signal: terminated
			2s stop db: ok
			3s spawn kv 103
			3s daemon: service 'kv' restarted successfully
		`)
	})
}

// Two services that change places both come up again: each lets go of its old port before it
// asks for the new one.
func TestPortsThatAreSwapped(t *testing.T) {
	inWorld(t, func(w *world) {
		w.install("db", 9300)
		db := w.up("db")
		kv := w.up("kv")
		w.install("kv", 9300)
		w.install("db", 9200)
		kv.exit("exit status 1")
		w.at(100 * time.Millisecond)
		db.exit("exit status 1")
		w.at(5 * time.Second)
		w.expect(`
			0s exit 102: exit status 1
			0s daemon: service 'kv' unhealthy (failure 1/5): exit status 1
			0s daemon: restarting 'kv' in 1s
			100ms exit 101: exit status 1
			100ms daemon: service 'db' unhealthy (failure 1/5): exit status 1
			100ms daemon: restarting 'db' in 1s
			1s daemon: failed to restart 'kv': port 9300 is held by service 'db'
			1s daemon: service 'kv' unhealthy (failure 2/5): port 9300 is held by service 'db'
			1s daemon: restarting 'kv' in 2s
			1.1s spawn db 103
			1.1s daemon: service 'db' restarted successfully
			3s spawn kv 104
			3s daemon: service 'kv' restarted successfully
		`)
	})
}

// A package that was removed while its service waits for a restart has no port.
func TestRemovedPackageReleasesItsPort(t *testing.T) {
	inWorld(t, func(w *world) {
		w.install("db", 9200)
		p := w.up("kv")
		w.set(func() { delete(w.installed, "kv") })
		p.exit("exit status 1")
		w.at(time.Second)
		w.up("db")
	})
}
