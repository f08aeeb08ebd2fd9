package supervisor

import (
	"hash/fnv"
	"time"
)

// A state is what a service is; what is wanted of it (service.wanted) is kept apart.
type state int

const (
	idle       state = iota
	loading          // its receipt and definition are being read
	spawning         // its process is being made
	starting         // probed until it is healthy
	running          // checked from time to time
	ending           // SIGTERM was sent
	killed           // SIGKILL was sent
	backingOff       // until the next restart
	stuck            // a process survives SIGKILL
	failed           // until a client starts or stops it
	gone             // not a state of an actor: there is none any more
	states
)

// A row of the table is what holds in a state.
type row struct {
	name     string
	process  bool   // there is one
	deadline bool   // it is set on entry, and cleared by every state without one
	word     string // status shows it; "" for what it showed before
	next     []state
}

// table is the life of a service. A start joins those that wait in every state but running, failed
// and stuck, and is answered when the service is running, given up or stopped. A start that comes
// after a stop waits for the stop, then starts the service anew. A stop without grace goes to
// killed instead of ending. The tests hold the code to this table.
var table = [states]row{
	idle:     {"idle", false, false, "", []state{loading, gone}},
	loading:  {"loading", false, false, "starting", []state{spawning, backingOff, failed, gone}},
	spawning: {"spawning", false, false, "starting", []state{starting, ending, backingOff, failed, gone, loading}},
	// Of the start; running: healthy; backingOff, failed: it exited; ending: stop, or start timeout.
	starting: {"starting", true, true, "starting", []state{running, ending, backingOff, failed}},
	// Of the next check, or none while one is made.
	running: {"running", true, true, "running", []state{ending, backingOff, failed}},
	// Of the grace, after which it is killed.
	ending: {"ending", true, true, "starting", []state{killed, backingOff, loading, failed, gone}},
	killed: {"killed", true, true, "starting", []state{stuck, loading, failed, gone}},
	// Of the back-off.
	backingOff: {"backingOff", false, true, "starting", []state{loading, gone}},
	stuck:      {"stuck", true, false, "failed", []state{failed, gone}},
	failed:     {"failed", false, false, "failed", []state{loading, gone}},
	gone:       {name: "gone"},
}

func (s state) String() string { return table[s].name }

// The figures are the original's, but for killTimeout, stable and retryCheck, which it lacks.
const (
	maxFailures = 5                // in a row: then the service is given up
	maxBackoff  = 60 * time.Second // never reached while maxFailures is 5
	killTimeout = 5 * time.Second  // from SIGKILL until a process counts as stuck
	stable      = 10 * time.Second // of health, after which failures are forgotten
	retryCheck  = time.Second      // until the next check, after one that failed and is tolerated, or said nothing
	moments     = 20               // of an interval, at which services are checked
)

// backoff returns how long to wait before the restart that follows the given number of failures in
// a row: 1, 2, 4, 8 … seconds.
func backoff(failures int) time.Duration {
	if failures > 6 {
		return maxBackoff
	}
	return time.Second << max(failures-1, 0)
}

// The start timeout is counted in steps. One that ends late by more than latest was a pause of the
// daemon or the machine, and is not counted.
const (
	startStep = 500 * time.Millisecond
	latest    = 500 * time.Millisecond
)

// pollGap returns how long to wait between two probes of a service that started elapsed ago and is
// not healthy yet. While nobody listens a probe disturbs nobody: a two-hundredth of the time that
// has passed bounds what polling adds to any start to half a per cent. A service that already
// answers is asked at most 150 times in ten seconds, and its start takes 5 % longer at most.
func pollGap(elapsed time.Duration, reached bool) time.Duration {
	if reached {
		return min(max(elapsed/22, 2*time.Millisecond), time.Second)
	}
	return min(max(elapsed/200, time.Millisecond), 100*time.Millisecond)
}

// nextCheck returns when, after now, a running service is checked. Checks of many services are
// neither all at the same time nor each at its own, which would wake the machine for it: there are
// a few moments in each interval, counted from began, and a name always has the same.
func nextCheck(name string, began, now time.Time, interval time.Duration) time.Time {
	h := fnv.New64a()
	h.Write([]byte(name))
	first := began.Add(interval / moments * time.Duration(h.Sum64()>>1%moments)) // its lowest bit is a mere parity
	if now.Before(first) {
		return first
	}
	return first.Add(now.Sub(first)/interval*interval + interval)
}
