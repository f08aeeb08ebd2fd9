package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"zr/internal/daemon"
	"zr/internal/supervisor"
	"zr/internal/systemd"
)

// countEvery is how often the services are counted for the STATUS line.
const countEvery = time.Second

// A reporter tells the service manager the state of the daemon. It does nothing if there is no
// manager that wants to be notified.
type reporter struct {
	services interface{ Status() []supervisor.Info }
	server   interface{ Ping(context.Context) error }
	log      *daemon.Logger
	unsent   []string // assignments that could not be sent yet
	status   string   // the last STATUS that was sent
	failed   bool     // a message could not be sent, which was logged
}

// run sends READY=1 when ready is closed, STOPPING=1 when ending is closed, and STATUS when it
// changes, until ctx ends after that. Each tick sends again what could not be sent before.
func (r *reporter) run(ctx context.Context, ready, ending <-chan struct{}) {
	if !systemd.Notified() {
		return
	}
	go r.watchdog(ctx)
	tick := time.NewTicker(countEvery)
	defer tick.Stop()
	for ending != nil {
		r.send(count(r.services.Status()))
		select {
		case <-ready:
			ready = nil
			r.unsent = append(r.unsent, "READY=1")
		case <-ending:
			ending = nil
		case <-tick.C:
		}
	}
	r.unsent = []string{"STOPPING=1"}
	r.send("ending")
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
		r.send("ending")
	}
}

// send sends the unsent assignments, and the status if it has changed. If that fails, they stay
// unsent.
func (r *reporter) send(status string) {
	message := r.unsent
	if status != r.status {
		message = append(slices.Clip(message), "STATUS="+status)
	}
	if len(message) == 0 {
		return
	}
	if err := systemd.Notify(message...); err != nil {
		if !r.failed {
			r.log.Printf("cannot notify the service manager: %v", err)
		}
		r.failed = true
		return
	}
	r.unsent, r.status = nil, status
}

// count says how many services are in each state.
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
	switch states := strings.Join(parts, ", "); len(infos) {
	case 0:
		return "no services"
	case 1:
		return "1 service: " + states
	default:
		return fmt.Sprintf("%d services: %s", len(infos), states)
	}
}

// watchdog pings the daemon and, if it answers, sends WATCHDOG=1 twice in the time that the manager
// allows. If it does not answer, watchdog logs that once and tries again soon.
func (r *reporter) watchdog(ctx context.Context) {
	allowed, err := systemd.Watchdog()
	if err != nil {
		r.log.Printf("no watchdog: %v", err)
	}
	for silent := false; allowed > 0 && ctx.Err() == nil; {
		limit, cancel := context.WithTimeout(ctx, allowed/4)
		err := r.server.Ping(limit)
		cancel()
		wait := allowed / 2
		if err == nil {
			systemd.Notify("WATCHDOG=1") // if this fails, so do the other messages, which say so
		} else {
			wait = allowed / 20
			if !silent && ctx.Err() == nil {
				r.log.Printf("no answer to the daemon's own ping: %v", err)
			}
		}
		silent = err != nil
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}
