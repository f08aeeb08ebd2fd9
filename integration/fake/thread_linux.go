package main

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
)

// The main goroutine stays on the main thread if it is to end it.
func init() {
	if data, _ := os.ReadFile(filepath.Join(dir, "behave")); bytes.Contains(data, []byte(`"MainExits":true`)) {
		runtime.LockOSThread()
	}
}

// exitMainThread ends the calling thread, and not the process, as pthread_exit does.
func exitMainThread() { syscall.Syscall(syscall.SYS_EXIT, 0, 0, 0) }

// closeToOthers closes the process's files in /proc to all but root.
func closeToOthers() {
	const setDumpable = 4 // PR_SET_DUMPABLE
	syscall.RawSyscall(syscall.SYS_PRCTL, setDumpable, 0, 0)
}
