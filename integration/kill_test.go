//go:build linux

package integration

import (
	"fmt"
	"slices"
	"testing"
)

// A fleet is a daemon with many services.
type fleet struct {
	*Daemon
	names []string
	ports []int
}

// The daemon is killed while its services run, start, restart or stop. None of them survives, their
// ports are free, and the next daemon starts them all.
func TestServicesDieWithTheDaemon(t *testing.T) {
	t.Parallel()
	needFiles(t, 150)
	count, kills := 50, 20
	if raceEnabled || testing.Short() {
		count, kills = 20, 8
	}
	h := newHome(t)
	f := &fleet{}
	for i := range count {
		f.names = append(f.names, fmt.Sprintf("s%d", i))
		// Some take a while to start, some to stop.
		f.ports = append(f.ports, h.Install(f.names[i], Behaviour{ListenAfter: i % 5 * 20, FlushOnTerm: i % 3 * 100}))
	}
	moments := []struct {
		name  string
		await func(*fleet)
	}{{"running", (*fleet).run}, {"starting", (*fleet).start}, {"restarting", (*fleet).restart}, {"stopping", (*fleet).stop}}
	for i := range kills {
		f.Daemon = startDaemon(t, h)
		moment := moments[i%len(moments)]
		moment.await(f)
		f.Kill()
		f.waitDead(fmt.Sprintf("kill %d, while %s", i+1, moment.name))
	}
}

// run returns when all services run.
func (f *fleet) run() {
	f.t.Helper()
	workers(16, len(f.names), func(i int) { f.MustStart(f.names[i], f.ports[i]) })
}

// start returns when half of the services have a process.
func (f *fleet) start() {
	f.askAll("start-service")
	f.waitCount("processes", len(f.names)/2, func(s Details) bool { return s.PID != 0 })
}

// restart returns when a quarter of the services run again.
func (f *fleet) restart() {
	f.run()
	for _, name := range f.names {
		f.Home.Kill(name)
	}
	f.waitCount("restarted services", len(f.names)/4, func(s Details) bool { return s.Restarts > 0 && s.Status == "running" })
}

// stop returns when a quarter of the services have stopped.
func (f *fleet) stop() {
	f.run()
	f.askAll("stop-service")
	eventually(f.t, "the first services to stop", func() bool { return len(f.List()) <= len(f.names)*3/4 })
}

// askAll makes a request for each service, and does not wait for the replies.
func (f *fleet) askAll(request string) {
	for _, name := range f.names {
		go ask(f.Addr, fmt.Sprintf(`{"request":%q,"name":%q}`+"\n", request, name))
	}
}

// waitCount waits until is holds for n services or more.
func (f *fleet) waitCount(what string, n int, is func(Details) bool) {
	f.t.Helper()
	eventually(f.t, fmt.Sprint(n, " ", what), func() bool {
		return len(slices.DeleteFunc(f.List(), func(s Details) bool { return !is(s) })) >= n
	})
}

// waitDead waits until all services have ended and all ports are free. (A process that is ending
// loses its command line before its sockets.)
func (f *fleet) waitDead(when string) {
	f.t.Helper()
	eventually(f.t, when+": the end of all services", func() bool {
		return len(f.Home.Processes()) == 0 && !slices.ContainsFunc(f.ports, func(port int) bool { return !free(port) })
	})
}
