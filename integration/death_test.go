//go:build linux

package integration

import (
	"fmt"
	"net"
	"slices"
	"testing"
)

// A moment is when a daemon is killed: act brings it about and returns in its midst.
type moment struct {
	name string
	act  func(*mortal)
}

// A mortal is one of a row of daemons of one home.
type mortal struct {
	*Daemon
	names []string
	ports []int
}

// The daemon is killed while its services run, start, restart and stop. However that hits, none of them
// is left, their ports are free, and the next daemon starts them all.
func TestServicesDieWithTheDaemon(t *testing.T) {
	t.Parallel()
	needFiles(t, 150)
	count, kills := 50, 20
	if raceEnabled || testing.Short() {
		count, kills = 20, 8
	}
	h := newHome(t)
	m := &mortal{}
	for i := range count {
		m.names = append(m.names, fmt.Sprintf("s%d", i))
		// Some take their time to come up, and some to go down, or there would be no midst.
		m.ports = append(m.ports, h.Install(m.names[i], Behaviour{ListenAfter: i % 5 * 20, FlushOnTerm: i % 3 * 100}))
	}
	moments := []moment{{"running", (*mortal).run}, {"starting", (*mortal).start}, {"restarting", (*mortal).restart}, {"stopping", (*mortal).stop}}
	for i := range kills {
		m.Daemon = startDaemon(t, h)
		now := moments[i%len(moments)]
		now.act(m)
		m.Kill()
		m.waitDead(fmt.Sprintf("kill %d, while %s", i+1, now.name))
	}
}

func (m *mortal) run() {
	m.t.Helper()
	workers(16, len(m.names), func(i int) {
		want(m.t, "the start of "+m.names[i], m.Start(m.names[i]), fmt.Sprintf(`{"ok":true,"port":%d}`+"\n", m.ports[i]))
	})
}

// start returns when half of the services have a process.
func (m *mortal) start() {
	for i := range m.names {
		go ask(m.Addr, fmt.Sprintf(`{"request":"start-service","name":%q}`+"\n", m.names[i]))
	}
	m.waitCount("processes", len(m.names)/2, func(s Details) bool { return s.PID != 0 })
}

// restart returns when the first of the services are back, and the others on their way.
func (m *mortal) restart() {
	m.run()
	for _, name := range m.names {
		m.Home.Kill(name)
	}
	m.waitCount("restarted services", len(m.names)/4, func(s Details) bool { return s.Restarts > 0 && s.Status == "running" })
}

// stop returns when the first of the services have ended, and the others have been asked to.
func (m *mortal) stop() {
	m.run()
	for i := range m.names {
		go ask(m.Addr, fmt.Sprintf(`{"request":"stop-service","name":%q}`+"\n", m.names[i]))
	}
	eventually(m.t, "the end of the first services", func() bool { return len(m.List()) <= len(m.names)*3/4 })
}

// waitCount waits until the status lists n services, or more, for which is holds.
func (m *mortal) waitCount(what string, n int, is func(Details) bool) {
	m.t.Helper()
	eventually(m.t, fmt.Sprint(n, " ", what), func() bool {
		return len(slices.DeleteFunc(m.List(), func(s Details) bool { return !is(s) })) >= n
	})
}

// waitDead returns when all services are gone and all ports free. (A process that is
// just dying has lost its command line before its sockets.)
func (m *mortal) waitDead(when string) {
	m.t.Helper()
	eventually(m.t, when+": the end of all services", func() bool {
		return len(m.Home.Processes()) == 0 && !slices.ContainsFunc(m.ports, isTaken)
	})
}

func isTaken(port int) bool {
	l, err := net.Listen("tcp", fmt.Sprintf(":%d", port))
	if err == nil {
		l.Close()
	}
	return err != nil
}
