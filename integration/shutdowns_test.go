//go:build linux

package integration

import (
	"io"
	"net"
	"testing"
	"time"
)

// Everybody who asks for the shutdown is told of it, whatever else is going on. Four ask each
// of many daemons while others ask for the status, start services, say nothing, or connect and leave.
func TestEveryShutdownGetsItsReply(t *testing.T) {
	t.Parallel()
	needFiles(t, 500)
	daemons, each := 50, 4
	if raceEnabled || testing.Short() {
		daemons = 10
	}
	workers(4, daemons, func(int) {
		h := newHome(t)
		port := h.Install("kv", Behaviour{FlushOnTerm: 50})
		h.Install("slow", Behaviour{ListenNever: true})
		d := startDaemon(t, h)
		d.MustStart("kv", port)
		stop := make(chan struct{})
		hammer(d, stop)
		askShutdown(d, connect(d, each))
		close(stop)
		d.WaitExit(0)
	})
}

// hammer keeps a daemon busy; these clients may well be refused.
func hammer(d *Daemon, stop chan struct{}) {
	go ask(d.Addr, `{"request":"start-service","name":"slow"}`)
	for _, line := range []string{`{"request":"status"}` + "\n", "", `{"request":"shut`, "no request\n"} {
		go func() {
			for {
				if conn, err := net.Dial("tcp", d.Addr); err == nil {
					io.WriteString(conn, line)
					defer conn.Close()
				}
				select {
				case <-stop:
					return
				case <-time.After(3 * time.Millisecond):
				}
			}
		}()
	}
}

// Those who have connected, but not spoken, when the last service goes are still heard.
func TestLateShutdownIsHeard(t *testing.T) {
	t.Parallel()
	d := startDaemon(t, newHome(t))
	late := connect(d, 8)
	d.Ask(`{"request":"ping"}`)
	askShutdown(d, late)
	d.WaitExit(0)
}
