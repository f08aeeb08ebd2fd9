package supervisor

import (
	"hash/fnv"
	"time"
)

// The figures are the original's, but for grace and stable, which it lacks.
const (
	maxFailures  = 5                // in a row: then the service is given up
	maxBackoff   = 60 * time.Second // never reached while maxFailures is 5
	startTimeout = 10 * time.Second // from the spawn until healthy
	grace        = 5 * time.Second  // from SIGTERM until SIGKILL
	killTimeout  = 5 * time.Second  // from SIGKILL until a process counts as stuck in the kernel
	stable       = 10 * time.Second // of health, after which failures are forgotten
	localRetry   = time.Second      // until the next probe, after one that the daemon itself could not make
	moments      = 20               // of an interval, at which services are checked
)

// backoff is how long to wait before the restart that follows the given number of failures
// in a row: 1, 2, 4, 8 … seconds.
func backoff(failures int) time.Duration {
	if failures > 6 {
		return maxBackoff
	}
	return time.Second << max(failures-1, 0)
}

// pollGap is how long to wait between two probes of a service that started
// elapsed ago and is not healthy yet. A two-hundredth of the time that has passed bounds what polling adds to any start to
// about half a per cent, and the probes of a slow one to a thousand.
func pollGap(elapsed time.Duration) time.Duration {
	return min(max(elapsed/200, time.Millisecond), 100*time.Millisecond)
}

// nextCheck is when, after now, a running service is checked. Checks of many services are neither all at the
// same time nor each at its own, which would wake the machine for it: there are a few
// moments in each interval, counted from began, and a name always has the same.
func nextCheck(name string, began, now time.Time, interval time.Duration) time.Time {
	h := fnv.New64a()
	h.Write([]byte(name))
	first := began.Add(interval / moments * time.Duration(h.Sum64()>>1%moments)) // its lowest bit is a mere parity
	if now.Before(first) {
		return first
	}
	return first.Add(now.Sub(first)/interval*interval + interval)
}
