package supervisor

import "time"

// A state says how a service is. service.wanted says, apart from it, whether a client wants it up.
type state int

const (
	idle       state = iota
	loading          // a goroutine reads its receipt and definition
	spawning         // a goroutine makes its process
	starting         // it is probed until it is healthy
	running          // it is checked from time to time
	ending           // SIGTERM was sent
	killed           // SIGKILL was sent
	backingOff       // it waits for the next restart
	stuck            // its process survived SIGKILL
	failed           // given up, until a client starts or stops it
	gone             // the actor has ended
	states
)

// A row of the table says what holds in a state.
type row struct {
	name     string
	process  bool   // the service has a process
	deadline bool   // the timer may run; in every other state it is stopped
	status   string // what status shows; "": what it showed before
	next     []state
}

// table is the life of a service. The tests compare the code with it.
//
// A start in any state but running, failed and stuck waits, and is answered when the service is
// running, given up or stopped. A start after a stop waits for the stop, then starts the service
// anew. A stop without grace goes to killed instead of ending.
var table = [states]row{
	idle:     {"idle", false, false, "", []state{loading, gone}},
	loading:  {"loading", false, false, "starting", []state{spawning, backingOff, failed, gone}},
	spawning: {"spawning", false, false, "starting", []state{starting, ending, backingOff, failed, gone, loading}},
	// Deadline: the next step of the start timeout.
	starting: {"starting", true, true, "starting", []state{running, ending, backingOff, failed}},
	// Deadline: the next check, if rounds do not watch the service; after an exit, killTimeout.
	running: {"running", true, true, "running", []state{ending, backingOff, failed}},
	// Deadline: the next step of the grace, after which SIGKILL is sent.
	ending: {"ending", true, true, "starting", []state{killed, backingOff, loading, failed, gone}},
	killed: {"killed", true, true, "starting", []state{stuck, loading, failed, gone}},
	// Deadline: the end of the back-off.
	backingOff: {"backingOff", false, true, "starting", []state{loading, gone}},
	stuck:      {"stuck", true, false, "failed", []state{failed, gone}},
	failed:     {"failed", false, false, "failed", []state{loading, gone}},
	gone:       {name: "gone"},
}

func (s state) String() string { return table[s].name }

// These figures are zacor's. killTimeout, stable and retryCheck are zrd's own.
const (
	maxFailures = 5                // failures in a row after which the service is given up
	maxBackoff  = 60 * time.Second // never reached while maxFailures is 5
	killTimeout = 5 * time.Second  // to end after SIGKILL, or after a check that finds an exit
	stable      = 10 * time.Second // of health, after which failures are forgotten
	retryCheck  = time.Second      // from a check that was tolerated or had no verdict to the next
)

// backoff returns how long to wait before the restart that follows the given number of failures in
// a row: 1, 2, 4, 8 … seconds.
func backoff(failures int) time.Duration {
	if failures > 6 {
		return maxBackoff
	}
	return time.Second << max(failures-1, 0)
}

// The start timeout and the grace are counted in steps. If a step ends late by more than tolerance,
// the machine was paused, or only the daemon.
const (
	step      = 100 * time.Millisecond
	tolerance = 500 * time.Millisecond
)

// pollGap returns how long to wait between two probes of a service that started elapsed ago and is
// not healthy yet. reached reports whether the last probe reached the service.
//
// A probe that is refused costs the service nothing, so the gap is short: a two-hundredth of
// elapsed lengthens a start by half a per cent at most. A service that answers gets at most 150
// probes in ten seconds, which lengthen its start by 5 % at most.
func pollGap(elapsed time.Duration, reached bool) time.Duration {
	if reached {
		return min(max(elapsed/22, 2*time.Millisecond), time.Second)
	}
	return min(max(elapsed/200, time.Millisecond), 100*time.Millisecond)
}
