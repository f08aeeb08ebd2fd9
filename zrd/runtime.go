package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"sync"
)

const (
	// connections is how many clients may be connected at once if there are enough descriptors.
	connections = 8192
	// Above memoryLimit Go collects garbage more often. It takes thousands of clients to get there.
	memoryLimit = 40 << 20
	// threads is how many blocking system calls can be under way at once before Go's runtime needs
	// another thread: a spawn, a write to the log, reads of a few packages, and what waits for a
	// processor on a busy machine.
	threads = 12
)

// tuneRuntime makes Go's runtime small. By default it uses every processor and twice its heap.
func tuneRuntime() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(2) // with 1, a blocking system call stops everything for some time
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(25)
	}
	debug.SetMemoryLimit(memoryLimit)
	makeThreads()
}

// makeThreads makes the runtime create its threads now, by locking as many goroutines to one each.
// Go keeps these threads. It crashes if it cannot create one later, when a service has used up the
// limit on threads.
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
