package main

import (
	"runtime/debug"
	"sync"

	"zr/internal/daemon"
	"zr/internal/packages"
	"zr/internal/supervisor"
)

// startEager starts all eager services side by side. It closes the channel that it returns when the
// first attempt of each has ended. A package that cannot be read may be eager, so the supervisor
// tries it again.
func startEager(home *packages.Home, s *supervisor.Supervisor, log *daemon.Logger) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		names, err := home.Names()
		if err != nil {
			log.Printf("%v", err)
		}
		var reading, starting sync.WaitGroup
		for _, name := range names {
			reading.Go(func() {
				if eager, err := home.Eager(name); eager || err != nil {
					starting.Go(func() { s.StartEager(name) })
				}
			})
		}
		reading.Wait()
		debug.FreeOSMemory() // 2 kB for each definition that was read
		starting.Wait()
	}()
	return done
}
