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
	moments  = 5                     // of an interval; the name of a service decides which is its own
	together = 32                    // services that are asked at once
	pause    = time.Millisecond      // from asking to looking for replies
	patience = 10 * time.Millisecond // after which a goroutine waits for this service alone
)

// rounds makes all checks of running services. No actor waits for it.
type rounds struct {
	began    time.Time // when the first interval began
	interval time.Duration

	mu      sync.Mutex
	watched [moments][]check // each with a timer while it is not empty
	due     []check
	active  bool // a goroutine asks until nothing is due
}

// A check asks a process for its health until ctx ends. It calls report with every verdict, or, if
// it is repeated, only with a failure, after which it is not repeated any more.
type check struct {
	ctx    context.Context
	name   string
	proc   Process
	report func(error)
	repeat bool
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

// watch makes a check in each interval, at its moment.
func (r *rounds) watch(c check) {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := momentOf(c.name)
	if len(r.watched[m]) == 0 {
		r.schedule(m)
	}
	r.watched[m] = append(r.watched[m], c)
}

func (r *rounds) schedule(m int) {
	at := r.next(m, time.Now())
	time.AfterFunc(time.Until(at), func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if time.Since(at) > latest { // the services may have been paused too
			r.schedule(m)
			return
		}
		checks := r.watched[m]
		r.watched[m] = nil
		r.add(checks)
	})
}

// once makes a check now.
func (r *rounds) once(c check) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.add([]check{c})
}

func (r *rounds) add(checks []check) {
	r.due = append(r.due, checks...)
	if !r.active {
		r.active = true
		go r.run()
	}
}

// take returns at most n checks that are due. If none is due and idle is set, the round is over.
func (r *rounds) take(n int, idle bool) []check {
	r.mu.Lock()
	defer r.mu.Unlock()
	n = min(n, len(r.due))
	taken := r.due[:n]
	r.due = r.due[n:]
	if n == 0 && idle {
		r.due, r.active = nil, false
	}
	return taken
}

// asked is a check under way.
type asked struct {
	Question
	check
	at time.Time
}

func (r *rounds) run() {
	var open []asked
	for {
		taken := r.take(together-len(open), len(open) == 0)
		if len(taken)+len(open) == 0 {
			return
		}
		for _, c := range taken {
			if c.ctx.Err() == nil {
				open = append(open, asked{c.proc.Ask(), c, time.Now()})
			}
		}
		if open = slices.DeleteFunc(open, r.answered); len(open) > 0 {
			time.Sleep(pause)
		}
	}
}

// answered reports whether the round is done with a check.
func (r *rounds) answered(a asked) bool {
	if known, verdict := a.Poll(); known {
		r.end(a.check, verdict)
		return true
	}
	if time.Since(a.at) < patience {
		return false
	}
	go func() { r.end(a.check, a.Wait(a.ctx)) }()
	return true
}

func (r *rounds) end(c check, verdict error) {
	if c.repeat && verdict == nil {
		r.watch(c)
	} else {
		c.report(verdict)
	}
}
