package main

import (
	"errors"
	"runtime/debug"
	"sync"
	"time"

	"zr/internal/daemon"
	"zr/internal/packages"
	"zr/internal/supervisor"
)

// Services of a daemon that was killed die with it, but not before it: for this
// long the next one, which its manager may start at once, takes a port that
// is held for theirs.
const (
	leftover      = 2 * time.Second
	leftoverRetry = 20 * time.Millisecond
)

type starter interface {
	Start(name string) (int, error)
}

// startEager starts side by side what is to start with the daemon. The channel
// that it returns is closed when each has started or failed.
func startEager(home *packages.Home, services starter, logger *daemon.Logger) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		names, err := home.Names()
		if err != nil {
			logger.Printf("%v", err)
		}
		var all sync.WaitGroup
		for _, name := range names {
			eager, err := home.Eager(name)
			if !eager && err == nil {
				continue
			}
			all.Go(func() {
				if err == nil {
					err = startAfterLeftover(name, services)
				}
				var logged *supervisor.StartError
				if err != nil && !errors.As(err, &logged) {
					logger.Printf("failed to start '%s': %v", name, err)
				}
			})
		}
		debug.FreeOSMemory() // what reading every definition took: 2 kB each
		all.Wait()
	}()
	return done
}

// startAfterLeftover tries again for a while if somebody else holds the port.
func startAfterLeftover(name string, services starter) error {
	for limit := time.Now().Add(leftover); ; time.Sleep(leftoverRetry) {
		_, err := services.Start(name)
		var foreign *supervisor.ForeignError
		if !errors.As(err, &foreign) || time.Now().After(limit) {
			return err
		}
	}
}
