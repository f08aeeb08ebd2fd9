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

// leaving is how long the last processes of a run may take to end once its tests have.
const leaving = 10 * time.Second

// "fake guard DIR" waits for the end of the test binary that started it, of whose run DIR is the
// folder, and leaves nothing of the run. The test binary says a word on standard input when its tests have
// ended. If that stays out, it has crashed, and whatever it started is killed at once; else anything that is
// left after a while is killed, and is an error. (Where there is no /proc, only the folder is removed.)
func guard(dir string) (status int) {
	word, _ := io.ReadAll(os.Stdin)
	began := time.Now()
	for left := marked(dir); len(left) > 0 && time.Since(began) < 2*leaving; left = marked(dir) {
		if len(word) == 0 || time.Since(began) > leaving {
			status = 1
			kill(left)
		}
		time.Sleep(10 * time.Millisecond)
	}
	os.RemoveAll(dir)
	return status
}

// marked returns the processes that have inherited the mark of the run, or that run a program in its folder: the
// environment of another user's process may not be readable.
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
		fmt.Fprintf(os.Stderr, "process %d is left of the tests, and is killed: %q\n", pid, bytes.Split(line, []byte{0}))
		syscall.Kill(pid, syscall.SIGKILL)
	}
}
