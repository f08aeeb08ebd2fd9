package main

import (
	"runtime/debug"
	"sync"

	"zr/internal/daemon"
	"zr/internal/packages"
	"zr/internal/supervisor"
)

// readers is how many packages are read side by side. Some may be on a disk that does not answer.
const readers = 16

// startEager starts all eager services side by side. It closes the channel that it returns when the
// first attempt of each has ended. A package that cannot be read may be eager, so the supervisor
// tries it again.
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
		debug.FreeOSMemory() // 2 kB for each definition that was read
		starting.Wait()
	}()
	return done
}
