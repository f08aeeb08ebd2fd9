package supervisor

import (
	"context"
	"hash/fnv"
	"slices"
	"sync"
	"time"
)

// Services are checked in rounds, at a few moments of each interval: a timer, a goroutine and a
// wake-up for each check would cost several times the check itself. The figures keep a thousand
// services from replying at once, and a round from waiting for a slow service.
const (
	moments  = 5                     // of an interval; a service's name decides its moment
	together = 64                    // services that are asked at once
	pause    = time.Millisecond      // from asking to looking for replies
	patience = 10 * time.Millisecond // after which a goroutine waits for this service alone
)

// rounds checks running services. No actor waits for it.
type rounds struct {
	began    time.Time // when the first interval began
	interval time.Duration

	mu      sync.Mutex
	watched [moments][]check // each has a timer while it is not empty
}

// A check asks a process for its health. Rounds call report only if the verdict is an error.
type check struct {
	ctx    context.Context // ends with the run
	name   string
	proc   Process
	report func(error)
}

func momentOf(name string) int {
	h := fnv.New64a()
	h.Write([]byte(name))
	return int(h.Sum64() >> 1 % moments) // the lowest bit of the hash is a mere parity
}

// next returns when, after now, a moment comes.
func (r *rounds) next(moment int, now time.Time) time.Time {
	first := r.began.Add(r.interval / moments * time.Duration(moment))
	if now.Before(first) {
		return first
	}
	return first.Add(now.Sub(first)/r.interval*r.interval + r.interval)
}

// watch makes a check in each interval until it fails or its context ends.
func (r *rounds) watch(c check) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := momentOf(c.name)
	if len(r.watched[m]) == 0 {
		at := r.next(m, time.Now())
		time.AfterFunc(time.Until(at), func() { r.run(m, time.Since(at) > tolerance) })
	}
	r.watched[m] = append(r.watched[m], c)
}

// asked is a check under way.
type asked struct {
	check
	Question
	at time.Time
}

// run makes the checks of a moment. If it is late, the services may have been paused like the
// daemon, and it leaves them to the next interval.
func (r *rounds) run(moment int, late bool) {
	r.mu.Lock()
	due := r.watched[moment]
	r.watched[moment] = nil
	r.mu.Unlock()
	for open := []asked{}; len(due)+len(open) > 0; {
		for len(due) > 0 && len(open) < together {
			switch c := due[0]; {
			case c.ctx.Err() != nil:
			case late:
				r.watch(c)
			default:
				open = append(open, asked{c, c.proc.Ask(), time.Now()})
			}
			due = due[1:]
		}
		if open = slices.DeleteFunc(open, r.done); len(open) > 0 {
			time.Sleep(pause)
		}
	}
}

// done reports whether a round need not look for the reply any more.
func (r *rounds) done(a asked) bool {
	known, verdict := a.Poll()
	switch {
	case known:
		r.end(a.check, verdict)
	case time.Since(a.at) >= patience:
		go func() { r.end(a.check, a.Wait(a.ctx)) }()
	default:
		return false
	}
	return true
}

func (r *rounds) end(c check, verdict error) {
	if verdict == nil {
		r.watch(c)
	} else {
		c.report(verdict)
	}
}
