package process

import (
	"bytes"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A stat holds fields of /proc/PID/stat.
type stat struct {
	parent, group int
	dead          bool // it is a zombie, and none of its threads runs
}

func readStat(pid int) (stat, bool) {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	// The command is in parentheses, and may contain any character.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if err != nil || len(fields) < 18 {
		return stat{}, false
	}
	number := func(i int) int { n, _ := strconv.Atoi(fields[i]); return n }
	state, threads := fields[0], number(17)
	// If the main thread ends before others, the process is shown as a zombie although it runs.
	return stat{number(1), number(2), state == "X" || state == "Z" && threads <= 1}, true
}

// census is the stat of every process. When all services end at once, many goroutines need one.
// They share the census that begins after they asked.
var census struct {
	sync.Mutex
	began time.Time
	all   map[int]stat
}

// allProcesses returns a census that began after the call.
func allProcesses() map[int]stat {
	asked := time.Now()
	census.Lock()
	defer census.Unlock()
	if census.began.After(asked) {
		return census.all
	}
	census.began, census.all = time.Now(), make(map[int]stat)
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			if s, ok := readStat(pid); ok {
				census.all[pid] = s
			}
		}
	}
	return census.all
}

// groupHasLiving reports whether a group has a process that is no zombie. Without /proc it returns
// true.
func groupHasLiving(group int) bool {
	all := allProcesses()
	for _, s := range all {
		if s.group == group && !s.dead {
			return true
		}
	}
	return len(all) == 0
}

// alone reports whether the leader, which has exited, is the last process of its group.
func (p *Process) alone() bool {
	if p.cgroup != nil && !p.cgroup.populated() {
		return true
	}
	members := p.cgroup.processes()
	if len(members) == 0 { // no cgroup, or it cannot be read
		return !groupHasLiving(p.Pid())
	}
	return !slices.ContainsFunc(members, func(pid int) bool {
		s, ok := readStat(pid)
		return ok && s.group == p.Pid() && !s.dead
	})
}

// Members returns the processes in the service's group and cgroup, and the descendants of its
// leader. The leader is included if /proc does not show it.
func (p *Process) Members() []int {
	members := p.cgroup.processes()
	all := allProcesses()
	for pid, s := range all {
		if !s.dead && descends(all, pid, p.Pid()) {
			members = append(members, pid)
		}
	}
	if _, shown := all[p.Pid()]; !shown {
		members = append(members, p.Pid())
	}
	return members
}

// descends reports whether pid is in the group of leader or descends from it.
func descends(all map[int]stat, pid, leader int) bool {
	for range len(all) { // a loop is possible: numbers are used again while /proc is read
		s, ok := all[pid]
		if !ok {
			return false
		}
		if pid == leader || s.group == leader {
			return true
		}
		pid = s.parent
	}
	return false
}
