//go:build unix

package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// grace is how long the last processes of a run may take to end after its tests.
const grace = 10 * time.Second

// guard waits for the end of the test binary that started it, then ends all processes of its run
// and removes its folder. A test binary that has crashed has not written to standard input: its
// processes are killed at once. Otherwise they have their grace, and any that are left are an
// error. Without /proc, only the folder is removed.
func guard(dir string) (status int) {
	written, _ := io.ReadAll(os.Stdin)
	began := time.Now()
	for pids := marked(dir); len(pids) > 0 && time.Since(began) < 2*grace; pids = marked(dir) {
		if len(written) == 0 || time.Since(began) > grace {
			status = 1
			kill(pids)
		}
		time.Sleep(10 * time.Millisecond)
	}
	os.RemoveAll(dir)
	return status
}

// marked returns the processes that have the run's folder in their environment, or run a program in
// it. (The environment of another user's process may not be readable.)
func marked(dir string) (pids []int) {
	mark := []byte("\x00ZR_TEST_RUN=" + dir + "\x00")
	folders, _ := filepath.Glob("/proc/[0-9]*")
	for _, folder := range folders {
		environ, _ := os.ReadFile(filepath.Join(folder, "environ"))
		line, _ := os.ReadFile(filepath.Join(folder, "cmdline"))
		pid, _ := strconv.Atoi(filepath.Base(folder))
		if bytes.Contains(append([]byte{0}, environ...), mark) || bytes.HasPrefix(line, []byte(dir+"/")) && pid != os.Getpid() {
			pids = append(pids, pid)
		}
	}
	return pids
}

func kill(pids []int) {
	for _, pid := range pids {
		line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		fmt.Fprintf(os.Stderr, "process %d outlived the tests, and is killed: %q\n", pid, bytes.Split(line, []byte{0}))
		syscall.Kill(pid, syscall.SIGKILL)
	}
}
