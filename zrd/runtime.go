package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"sync"
)

const (
	// memoryLimit is from where on memory is collected more eagerly still: reached only while
	// thousands of clients are connected.
	memoryLimit = 40 << 20
	// threads is how many system calls that wait can be under way at once before Go's runtime needs
	// another thread: a spawn, a write to the log, reads of a few packages.
	threads = 6
)

// tuneRuntime fits Go's runtime, which takes every processor and twice its heap, to a small daemon.
func tuneRuntime() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(2) // with one, a system call that waits holds up everything for some time
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(25)
	}
	debug.SetMemoryLimit(memoryLimit)
	makeThreads()
}

// makeThreads has the runtime create the threads that it will need, by as many goroutines that each
// keep one. Go never gives a thread back, and crashes if it cannot create one; later, a service may
// have used up the limit on their number.
func makeThreads() {
	var here, all sync.WaitGroup
	here.Add(threads)
	for range threads {
		all.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			here.Done()
			here.Wait()
		})
	}
	all.Wait()
}
