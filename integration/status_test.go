//go:build unix

package integration

import (
	"encoding/json"
	"regexp"
	"slices"
	"testing"
)

// Details are what the verbose status says of one service.
type Details struct {
	Name, Status, Version string
	Port, PID, Processes  int
	Restarts, Failures    int
	Uptime                int    `json:"uptime_s"`
	NextRetry             int    `json:"next_retry_s"`
	LastError             string `json:"last_error"`
}

var age = regexp.MustCompile(`, \d+ s ago$`)

// Why returns the last error without its age.
func (s Details) Why() string { return age.ReplaceAllString(s.LastError, "") }

// List returns the verbose status.
func (d *Daemon) List() []Details {
	d.t.Helper()
	answer, err := ask(d.Addr, `{"request":"status","verbose":true}`+"\n")
	var reply struct{ Services []Details }
	if err == nil {
		err = json.Unmarshal([]byte(answer), &reply)
	}
	if err != nil {
		d.t.Errorf("status: %q, %v", answer, err)
	}
	return reply.Services
}

// Details returns what the status says of one service, or nothing if it does not list it.
func (d *Daemon) Details(name string) Details {
	d.t.Helper()
	list := d.List()
	i := slices.IndexFunc(list, func(s Details) bool { return s.Name == name })
	if i < 0 {
		return Details{}
	}
	return list[i]
}

// WaitDetails waits until the status says what of a service.
func (d *Daemon) WaitDetails(name, what string, ok func(Details) bool) (s Details) {
	d.t.Helper()
	eventually(d.t, name+": "+what, func() bool {
		s = d.Details(name)
		return ok(s)
	})
	return s
}

// WaitFailures waits until a service has failed n times in a row, or more often.
func (d *Daemon) WaitFailures(name string, n int) Details {
	d.t.Helper()
	return d.WaitDetails(name, "failures in a row", func(s Details) bool { return s.Failures >= n })
}

// WaitError waits until the last error of a service is why.
func (d *Daemon) WaitError(name, why string) {
	d.t.Helper()
	d.WaitDetails(name, "last error "+why, func(s Details) bool { return s.Why() == why })
}

// WaitBack waits until a service runs as another process than old.
func (d *Daemon) WaitBack(name string, old int) Details {
	d.t.Helper()
	return d.WaitDetails(name, "running again", func(s Details) bool { return s.Status == "running" && s.PID != old })
}

// Crash kills the process of a service and waits until another one runs.
func (d *Daemon) Crash(name string) Details {
	d.t.Helper()
	return d.WaitBack(name, d.Home.Kill(name))
}

// WantNoFailure fails unless a service runs as its first process and has passed all checks.
func (d *Daemon) WantNoFailure(name string) {
	d.t.Helper()
	if s := d.Details(name); s.Status != "running" || s.Restarts > 0 || s.LastError != "" {
		d.t.Errorf("%s has failed: %+v", name, s)
	}
}

// wantGone fails for each process that is still alive.
func wantGone(t testing.TB, when string, pids ...int) {
	t.Helper()
	for _, pid := range pids {
		if alive(pid) {
			t.Errorf("process %d is alive %s", pid, when)
		}
	}
}
