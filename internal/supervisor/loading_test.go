package supervisor

import (
	"testing"
	"time"
)

// A disk that does not answer holds up neither a stop nor the next start.
func TestStopWhileItLoads(t *testing.T) {
	inWorld(t, func(w *world) {
		w.loadTime = time.Hour
		w.start("kv")
		w.start("kv")
		w.at(time.Second)
		w.stop("kv")
		w.set(func() { w.loadTime = 0 })
		w.start("kv")
		w.at(2 * time.Hour)
		w.expect(`
			1s daemon: stopping service 'kv'
			1s spawn kv 101
			1s daemon: started service 'kv' on port 9200
			1s start kv: ok
			1s start kv: service 'kv' was stopped
			1s start kv: service 'kv' was stopped
			1s stop kv: ok
		`)
	})
}

// Likewise when the daemon ends, and when it restarts a service.
func TestShutdownWhileOneLoads(t *testing.T) {
	inWorld(t, func(w *world) {
		w.up("kv").exit("exit status 1")
		w.forget()
		w.set(func() { w.loadTime = time.Hour })
		w.at(2 * time.Second)
		w.shutdown()
		w.at(2 * time.Hour)
		w.expect(`
			2s daemon: stopping service 'kv'
			2s shutdown: ok
		`)
		w.nothingLeft()
	})
}
