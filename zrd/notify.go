package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"zr/internal/daemon"
	"zr/internal/protocol"
	"zr/internal/supervisor"
	"zr/internal/systemd"
)

// countEvery is how often the services are counted for a STATUS line, which people read.
const countEvery = time.Second

// A reporter tells the service manager that runs the daemon how it is. Without
// one that wants to know, it does nothing.
type reporter struct {
	services interface{ Status() []supervisor.Info }
	log      *daemon.Logger
	addr     string // where the daemon listens
	status   string // what was said last
	failed   bool   // a message could not be sent; logged once
	stop     context.CancelFunc
	alive    context.Context
	done     chan struct{}
}

func newReporter(services *supervisor.Supervisor, logger *daemon.Logger, addr string) *reporter {
	r := &reporter{services: services, log: logger, addr: addr, done: make(chan struct{})}
	r.alive, r.stop = context.WithCancel(context.Background())
	return r
}

// run reports until end. The manager hears of the end once it begins, and never
// that the daemon is ready after that.
func (r *reporter) run(ready, ending <-chan struct{}) {
	defer close(r.done)
	if !systemd.Notified() {
		return
	}
	go r.watchdog()
	tick := time.NewTicker(countEvery)
	defer tick.Stop()
	r.send()
	for {
		select {
		case <-ready:
			ready = nil
			r.send("READY=1")
		case <-ending:
			ready, ending = nil, nil
			r.send("STOPPING=1")
		case <-tick.C:
			r.send()
		case <-r.alive.Done():
			if ending != nil {
				r.send("STOPPING=1")
			}
			return
		}
	}
}

// end returns when everything has been said. The daemon no longer answers.
func (r *reporter) end() {
	r.stop()
	<-r.done
}

// send sends the assignments, and STATUS if it has changed.
func (r *reporter) send(assignments ...string) {
	if status := count(r.services.Status()); status != r.status {
		r.status = status
		assignments = append(assignments, "STATUS="+status)
	}
	if len(assignments) == 0 {
		return
	}
	if err := systemd.Notify(assignments...); err != nil && !r.failed {
		r.failed = true
		r.log.Printf("cannot notify the service manager: %v", err)
	}
}

// count words how many services are in which state.
func count(infos []supervisor.Info) string {
	number := make(map[string]int)
	for _, info := range infos {
		number[info.Status]++
	}
	var parts []string
	for _, status := range []string{"running", "starting", "failed"} {
		if n := number[status]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, status))
		}
	}
	switch len(infos) {
	case 0:
		return "no services"
	case 1:
		return "1 service: " + parts[0]
	}
	return fmt.Sprintf("%d services: %s", len(infos), strings.Join(parts, ", "))
}

// watchdog tells the manager at half of the time that it allows, or as soon as
// possible after that, that the daemon answers, but only after it has asked.
func (r *reporter) watchdog() {
	allowed, err := systemd.Watchdog()
	if err != nil {
		r.log.Printf("no watchdog: %v", err)
	}
	if allowed == 0 {
		return
	}
	answered := true
	for wait := time.Duration(0); r.sleep(wait); {
		err := r.ping(allowed / 4)
		switch {
		case err == nil:
			wait = allowed / 2
			systemd.Notify("WATCHDOG=1") // if this fails, so do the other messages, which say so
		case r.alive.Err() != nil:
			return
		default:
			wait = allowed / 20
			if answered {
				r.log.Printf("no answer to the daemon's own ping: %v", err)
			}
		}
		answered = err == nil
	}
}

// sleep returns false at the end.
func (r *reporter) sleep(d time.Duration) bool {
	select {
	case <-r.alive.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// ping asks the daemon as a client does.
func (r *reporter) ping(limit time.Duration) error {
	ctx, cancel := context.WithTimeout(r.alive, limit)
	defer cancel()
	reply, _, err := protocol.Do(ctx, r.addr, protocol.Request{Request: protocol.Ping})
	if err == nil && !reply.OK {
		err = errors.New(reply.Error)
	}
	return err
}
