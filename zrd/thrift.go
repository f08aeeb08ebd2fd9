package main

import (
	"os"
	"runtime"
	"runtime/debug"
)

// memoryLimit is from where on memory is collected more eagerly still: reached only while
// thousands of clients are at it.
const memoryLimit = 40 << 20

// beThrifty fits Go's runtime, which takes every processor and twice its heap, to
// a program that is there for others.
func beThrifty() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(1) // what it does is short, but to wake a second thread is not; a spawn holds up the rest for a millisecond
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(25)
	}
	debug.SetMemoryLimit(memoryLimit)
}
