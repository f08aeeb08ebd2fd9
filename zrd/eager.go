package main

import (
	"runtime/debug"
	"sync"

	"zr/internal/daemon"
	"zr/internal/packages"
	"zr/internal/supervisor"
)

// startEager starts the services that start with the daemon side by side. The channel that it
// returns is closed when the first attempt of each has ended. A package that cannot be read may be
// eager: the supervisor tries it again.
func startEager(home *packages.Home, services *supervisor.Supervisor, logger *daemon.Logger) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		names, err := home.Names()
		if err != nil {
			logger.Printf("%v", err)
		}
		var all sync.WaitGroup
		for _, name := range names {
			if eager, err := home.Eager(name); eager || err != nil {
				all.Go(func() { services.StartEager(name) })
			}
		}
		debug.FreeOSMemory() // what reading every definition took: 2 kB each
		all.Wait()
	}()
	return done
}
