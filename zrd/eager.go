package main

import (
	"runtime/debug"
	"sync"

	"zr/internal/daemon"
	"zr/internal/packages"
	"zr/internal/supervisor"
)

// readers is how many packages are looked at side by side. Some may be on a disk that does not
// answer.
const readers = 16

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
		next := make(chan string)
		var reading, starting sync.WaitGroup
		for range readers {
			reading.Go(func() {
				for name := range next {
					if eager, err := home.Eager(name); eager || err != nil {
						starting.Go(func() { services.StartEager(name) })
					}
				}
			})
		}
		for _, name := range names {
			next <- name
		}
		close(next)
		reading.Wait()
		debug.FreeOSMemory() // what reading every definition took: 2 kB each
		starting.Wait()
	}()
	return done
}
