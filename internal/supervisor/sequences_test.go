package supervisor

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
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

// A row is what the table in state.go says of a state; words are what
// status may say, "" for nothing.
type row struct {
	processes int32
	deadline  bool
	next      []string
	port      bool
	words     []string
}

var stateTable = readStateTable()

var stateNames = []string{"idle", "loading", "spawning", "starting", "running", "ending", "killed", "backingOff", "stuck", "failed"}

// readStateTable reads the comment: the code is held to what it says.
func readStateTable() map[string]row {
	source, err := os.ReadFile("state.go")
	if err != nil {
		panic(err)
	}
	table := map[string]row{"gone": {words: []string{""}}}
	var last string
	for line := range strings.Lines(string(source)) {
		text, ok := strings.CutPrefix(line, "//\t")
		fields := strings.Fields(text)
		if !ok || len(fields) < 3 {
			continue
		}
		if slices.Contains(stateNames, fields[0]) && !strings.HasPrefix(text, " ") {
			last = fields[0]
			r := row{deadline: fields[2] != "–", port: last != "failed", words: statusWords[last]}
			if fields[1] == "yes" {
				r.processes = 1
			}
			table[last] = r
		}
		if r, ok := table[last]; ok {
			r.next = append(r.next, nextStates(text)...)
			table[last] = r
		}
	}
	return table
}

// nextStates finds the states after the arrows. A line that goes on after an
// arrow of the line before has no arrow of its own.
func nextStates(text string) []string {
	var next []string
	for _, clause := range strings.Split(text, "·") {
		if _, after, ok := strings.Cut(clause, "→"); ok {
			clause = after
		}
		for _, word := range strings.FieldsFunc(clause, func(r rune) bool { return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z') }) {
			if word == "gone" || slices.Contains(stateNames, word) {
				next = append(next, word)
			}
		}
	}
	return next
}

// statusWords is what may be listed. One that is on its way down shows its
// last word until it is gone.
var statusWords = map[string][]string{
	"loading":    {"", "starting"},
	"spawning":   {"", "starting"},
	"starting":   {"starting"},
	"running":    {"running"},
	"ending":     {"", "starting", "running", "failed"},
	"killed":     {"", "starting", "running", "failed"},
	"backingOff": {"starting"},
	"stuck":      {"failed"},
	"failed":     {"failed"},
}

// compareTransitions wants each transition in the table, and each one of the
// table to have been seen.
func compareTransitions(t *testing.T, seen map[transition]bool) {
	for tr := range seen {
		if !slices.Contains(stateTable[tr.from].next, tr.to) {
			t.Errorf("%s → %s is not in the table of state.go", tr.from, tr.to)
		}
	}
	for from, row := range stateTable {
		for _, to := range row.next {
			if to != from && !seen[transition{from, to}] {
				t.Errorf("%s → %s is in the table of state.go, and was not seen", from, to)
			}
		}
	}
}
