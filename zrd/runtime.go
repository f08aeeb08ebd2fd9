package main

import (
	"os"
	"runtime"
	"runtime/debug"
	"sync"
)

const (
	// Above memoryLimit Go collects garbage more often. It takes thousands of clients to get there.
	memoryLimit = 40 << 20
	// threads is how many blocking system calls can be under way at once before Go's runtime needs
	// another thread: a spawn, a write to the log, reads of a few packages.
	threads = 6
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

// makeThreads makes the runtime create the threads that it will need: it locks as many goroutines
// to one each, all at once. Go keeps these threads. Later a service may have used up the limit on
// threads, and Go crashes if it cannot create one.
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
