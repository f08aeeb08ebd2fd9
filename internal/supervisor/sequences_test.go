package supervisor

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
)

// longest is how many events the longest sequences have.
const longest = 6

// Every sequence of up to six events, from nothing and from four failures in a row, leads
// through the states as state.go's table says, with no more processes, deadlines and
// probes under way than the state has, and with each request answered once; and
// a final stop always wins. A sequence with an event that cannot happen (no process to
// exit, no spawn to fail) is the sequence without it, and is not run again.
func TestEverySequenceOfEvents(t *testing.T) {
	brink := []event{start, probeOK, exit, deadlinePasses, spawnFails, deadlinePasses, loaded, spawnFails, deadlinePasses, loaded, spawnFails}
	seen := make(map[transition]bool)
	var mu sync.Mutex
	var total, distinct int
	t.Run("from", func(t *testing.T) {
		for name, before := range map[string][]event{"nothing": nil, "four failures": brink} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					x := explorer{t: t, before: before, seen: make(map[transition]bool)}
					x.explore(nil)
					mu.Lock()
					defer mu.Unlock()
					maps.Copy(seen, x.seen)
					total += x.total
					distinct += x.distinct
				})
			})
		}
	})
	fmt.Printf("%d sequences of up to %d events, %d of them distinct\n", total, longest, distinct)
	compareTransitions(t, seen)
}

type explorer struct {
	t               *testing.T
	before          []event
	seen            map[transition]bool
	total, distinct int
}

// explore runs all sequences that go on after prefix.
func (x *explorer) explore(prefix []event) {
	if len(prefix) == longest {
		return
	}
	for _, e := range events {
		sequence := append(slices.Clone(prefix), e)
		if !x.run(sequence) {
			x.total += subtree(longest - len(sequence))
			continue
		}
		x.total++
		x.distinct++
		x.explore(sequence)
	}
}

// subtree counts the sequences that begin with a given one and go on for up to n events.
func subtree(n int) int {
	if n == 0 {
		return 1
	}
	return 1 + len(events)*subtree(n-1)
}

func (x *explorer) run(sequence []event) bool {
	p := newPuppet(x.t, x.seen)
	for _, e := range x.before {
		p.do(e)
	}
	possible := true
	for _, e := range sequence {
		possible = p.do(e)
	}
	p.finish()
	return possible
}

type transition struct{ from, to string }

// compareTransitions wants each transition in the table, and each one of the
// table to have been seen.
func compareTransitions(t *testing.T, seen map[transition]bool) {
	listed := make(map[transition]bool)
	for _, row := range table {
		for _, to := range row.next {
			listed[transition{row.name, to.String()}] = true
		}
	}
	for tr := range seen {
		if !listed[tr] {
			t.Errorf("%s → %s is not in the table of state.go", tr.from, tr.to)
		}
	}
	for tr := range listed {
		if !seen[tr] {
			t.Errorf("%s → %s is in the table of state.go, and was not seen", tr.from, tr.to)
		}
	}
}
