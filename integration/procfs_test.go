//go:build linux

package integration

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// A processInfo is what /proc says of one process.
type processInfo struct {
	pid, parent int
	state       string
	cmdline     string // arguments end in NUL; empty for a zombie
}

func processes() []processInfo {
	var list []processInfo
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		stat, err := os.ReadFile(dir + "/stat")
		if err != nil {
			continue // it has gone meanwhile
		}
		fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
		cmdline, _ := os.ReadFile(dir + "/cmdline")
		p := processInfo{state: fields[0], cmdline: string(cmdline)}
		p.pid, _ = strconv.Atoi(filepath.Base(dir))
		p.parent, _ = strconv.Atoi(fields[1])
		list = append(list, p)
	}
	return list
}

// Processes are those that run a program of this home, noted or not: unlike Pids, it
// finds one that was killed before its first word.
func (h *Home) Processes() []int {
	var pids []int
	for _, p := range processes() {
		if strings.HasPrefix(p.cmdline, h.Dir+"/") && p.state != "Z" && p.state != "X" {
			pids = append(pids, p.pid)
		}
	}
	return pids
}

// children of a process, zombies included.
func children(pid int) []processInfo {
	var list []processInfo
	for _, p := range processes() {
		if p.parent == pid {
			list = append(list, p)
		}
	}
	return list
}

// descriptors counts what a process has open.
func descriptors(t testing.TB, pid int) int {
	t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// procStatus is one field of /proc/PID/status, without its unit.
func procStatus(t testing.TB, pid int, field string) string {
	t.Helper()
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if rest, ok := strings.CutPrefix(line, field+":"); ok {
			return strings.Fields(rest)[0]
		}
	}
	t.Fatalf("no %s in /proc/%d/status", field, pid)
	return ""
}

// peakMemory is the largest resident size that a process ever had, in bytes.
func peakMemory(t testing.TB, pid int) int {
	t.Helper()
	kb, err := strconv.Atoi(procStatus(t, pid, "VmHWM"))
	if err != nil {
		t.Fatal(err)
	}
	return kb << 10
}

// processorTime is what a process has used so far.
func processorTime(t testing.TB, pid int) time.Duration {
	t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond // USER_HZ is 100 wherever Go runs
}

// together runs do for each index side by side and waits for all.
func together(n int, do func(int)) {
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() { do(i) })
	}
	all.Wait()
}

// workers is together with n callers at most at a time.
func workers(n, count int, do func(int)) {
	next := make(chan int)
	go func() {
		defer close(next)
		for i := range count {
			next <- i
		}
	}()
	together(n, func(int) {
		for i := range next {
			do(i)
		}
	})
}
