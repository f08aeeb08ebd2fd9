package supervisor

import (
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
)

// longest is how many events the longest sequences have.
const longest = 6

// Every sequence of up to six events, from the start and from four failures in a row, leads through
// the states as the table in state.go says. In each state there are as many processes, deadlines
// and probes under way as the table says, each request is answered once, and a final stop wins.
func TestEverySequenceOfEvents(t *testing.T) {
	fourFailures := []event{
		start, probeOK, exit, deadlinePasses, spawnFails,
		deadlinePasses, loaded, spawnFails, deadlinePasses, loaded, spawnFails,
	}
	seen := make(map[transition]bool)
	var mu sync.Mutex
	t.Run("from", func(t *testing.T) {
		for name, before := range map[string][]event{"nothing": nil, "four failures": fourFailures} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					x := explorer{t: t, before: before, seen: make(map[transition]bool)}
					x.explore(nil)
					mu.Lock()
					defer mu.Unlock()
					maps.Copy(seen, x.seen)
				})
			})
		}
	})
	compareTransitions(t, seen)
}

type explorer struct {
	t      *testing.T
	before []event
	seen   map[transition]bool
}

// explore runs all sequences that begin with prefix. A sequence whose last event cannot happen is
// the same as the sequence without it, and is not continued.
func (x *explorer) explore(prefix []event) {
	if len(prefix) == longest {
		return
	}
	for _, e := range events {
		if sequence := append(slices.Clone(prefix), e); x.run(sequence) {
			x.explore(sequence)
		}
	}
}

// run reports whether the last event of the sequence could happen.
func (x *explorer) run(sequence []event) bool {
	d := newDriver(x.t, x.seen)
	for _, e := range x.before {
		d.do(e)
	}
	possible := true
	for _, e := range sequence {
		possible = d.do(e)
	}
	d.finish()
	return possible
}

type transition struct{ from, to string }

// compareTransitions checks that the transitions seen are those in the table.
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
			t.Errorf("%s → %s is in the table of state.go, but does not happen", tr.from, tr.to)
		}
	}
}
