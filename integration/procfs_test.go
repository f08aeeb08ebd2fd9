//go:build linux

package integration

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A processInfo is a process in /proc.
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
			continue // it has ended
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

// Processes returns all processes that run a program of this home. Pids does not know those that
// were killed before they noted anything.
func (h *Home) Processes() []int {
	var pids []int
	for _, p := range processes() {
		if strings.HasPrefix(p.cmdline, h.Dir+"/") && p.state != "Z" && p.state != "X" {
			pids = append(pids, p.pid)
		}
	}
	return pids
}

// children returns the children of a process, including zombies.
func children(pid int) []processInfo {
	var list []processInfo
	for _, p := range processes() {
		if p.parent == pid {
			list = append(list, p)
		}
	}
	return list
}

// descriptors returns how many descriptors a process has.
func descriptors(t testing.TB, pid int) int {
	t.Helper()
	entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}

// procStatus returns a field of /proc/PID/status, without its unit.
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

// peakMemory returns the largest resident size that a process has had, in bytes.
func peakMemory(t testing.TB, pid int) int {
	t.Helper()
	kb, err := strconv.Atoi(procStatus(t, pid, "VmHWM"))
	if err != nil {
		t.Fatal(err)
	}
	return kb << 10
}

// processorTime returns the processor time that a process has used.
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
