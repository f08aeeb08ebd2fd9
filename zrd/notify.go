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
	stop     context.CancelFunc
	alive    context.Context
	done     chan struct{}
}

func newReporter(services *supervisor.Supervisor, server *daemon.Server, logger *daemon.Logger) *reporter {
	r := &reporter{services: services, server: server, log: logger, done: make(chan struct{})}
	r.alive, r.stop = context.WithCancel(context.Background())
	return r
}

// run reports until end. It sends READY=1 when ready is closed, but not after ending is closed.
// When ending is closed, it sends STOPPING=1 and a last STATUS. Each tick sends again what could
// not be sent before.
func (r *reporter) run(ready, ending <-chan struct{}) {
	defer close(r.done)
	if !systemd.Notified() {
		return
	}
	go r.watchdog()
	tick := time.NewTicker(countEvery)
	defer tick.Stop()
	status := func() string { return count(r.services.Status()) }
	stopping := func() {
		ready, ending = nil, nil
		status = func() string { return "ending" }
		r.unsent = []string{"STOPPING=1"}
	}
	for {
		r.send(status())
		select {
		case <-ready:
			ready = nil
			r.unsent = append(r.unsent, "READY=1")
		case <-ending:
			stopping()
		case <-tick.C:
		case <-r.alive.Done():
			if ending != nil {
				stopping()
			}
			r.send(status())
			return
		}
	}
}

// end stops run, and returns when the last message was sent. The daemon no longer answers then.
func (r *reporter) end() {
	r.stop()
	<-r.done
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
	noun := "services"
	switch len(infos) {
	case 0:
		return "no services"
	case 1:
		noun = "service"
	}
	return fmt.Sprintf("%d %s: %s", len(infos), noun, strings.Join(parts, ", "))
}

// watchdog pings the daemon and, if it works, sends WATCHDOG=1 twice in the time that the manager
// allows. If not, it tries again soon.
func (r *reporter) watchdog() {
	allowed, err := systemd.Watchdog()
	if err != nil {
		r.log.Printf("no watchdog: %v", err)
	}
	if allowed == 0 {
		return
	}
	worked := true
	for wait := time.Duration(0); r.sleep(wait); {
		ctx, cancel := context.WithTimeout(r.alive, allowed/4)
		err := r.server.Ping(ctx)
		cancel()
		switch {
		case err == nil:
			wait = allowed / 2
			systemd.Notify("WATCHDOG=1") // if this fails, so do the other messages, which say so
		case r.alive.Err() != nil:
			return
		default:
			wait = allowed / 20
			if worked {
				r.log.Printf("no answer to the daemon's own ping: %v", err)
			}
		}
		worked = err == nil
	}
}

// sleep waits for d. It returns false if end was called meanwhile.
func (r *reporter) sleep(d time.Duration) bool {
	select {
	case <-r.alive.Done():
		return false
	case <-time.After(d):
		return true
	}
}
