package supervisor

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"log"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"zr/internal/packages"
)

// The timeouts of a definition that sets none.
const (
	startTimeout  = 10 * time.Second
	grace         = 5 * time.Second
	healthTimeout = 2 * time.Second
)

// A world is a System in virtual time. Its journal holds spawns, signals, exits and replies; its log
// holds what the supervisor logs.
type world struct {
	t    *testing.T
	sup  *Supervisor
	zero time.Time // the times in the journal count from here

	mu        sync.Mutex // guards the fields below and every proc
	installed map[string]packages.Service
	loadTime  time.Duration
	spawnTime time.Duration
	spawnErr  error
	holders   map[int]string
	setup     func(*proc) // changes each new process
	procs     []*proc
	asked     int // probes under way that will be answered
	mostAsked int
	watched   bool // the journal holds probes too
	journal   []entry

	log bytes.Buffer // the logger writes one line at a time
}

// An entry is an event or a reply. Replies are sorted after the events of their instant, as clients
// run in no fixed order.
type entry struct {
	at           time.Time
	event, reply string
}

// inWorld runs f in virtual time with kv installed on port 9200. Afterwards it kills all services,
// and checks that no process, port or service remains.
func inWorld(t *testing.T, f func(w *world)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &world{
			t: t, zero: time.Now(),
			installed: map[string]packages.Service{}, holders: map[int]string{},
		}
		w.sup = New(w, log.New(&w.log, "", 0), DefaultInterval)
		w.install("kv", 9200)
		defer w.end()
		f(w)
	})
}

func (w *world) end() {
	w.set(func() {
		for _, p := range w.procs {
			p.immortal = false
		}
	})
	w.sup.Kill() // returns an error if a process was stuck
	w.set(func() {
		for _, p := range w.procs {
			p.exitLocked("end of the test")
		}
	})
	w.wait(time.Minute)
	w.nothingLeft()
}

func (w *world) nothingLeft() {
	w.t.Helper()
	w.set(func() {
		for _, p := range w.procs {
			if p.lives {
				w.t.Errorf("process %d lives", p.pid)
			}
		}
	})
	w.sup.mu.Lock()
	n, ports := len(w.sup.services), w.sup.ports
	w.sup.mu.Unlock()
	if n != 0 || len(ports) != 0 {
		w.t.Errorf("there are %d services, and they hold the ports %v", n, ports)
	}
	if list := w.sup.Status(); len(list) != 0 {
		w.t.Errorf("status lists %+v", list)
	}
}

// onlyFailed checks that status lists this service alone, as failed for this reason, without a
// process.
func (w *world) onlyFailed(name, why string) {
	w.t.Helper()
	list, info := w.sup.Status(), w.info(name)
	if len(list) != 1 || info.Status != "failed" || info.LastError != why || info.PID != 0 {
		w.t.Errorf("status is %+v, want %s failed: %s", list, name, why)
	}
}

// is checks the state of a service in status; "" means that it is not listed.
func (w *world) is(name, status string) {
	w.t.Helper()
	if info := w.info(name); info.Status != status {
		w.t.Errorf("status of %s is %+v, want %q", name, info, status)
	}
}

// set changes the world or a process, which other goroutines may be reading.
func (w *world) set(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
}

func (w *world) install(name string, port int) {
	w.set(func() {
		w.installed[name] = packages.Service{
			Name: name, Version: "1.0.0", Binary: "/" + name, Port: port, Health: "/health",
			StartTimeout: startTimeout, StopTimeout: grace, HealthTimeout: healthTimeout,
		}
	})
}

// change changes an installed definition.
func (w *world) change(name string, change func(*packages.Service)) {
	w.set(func() {
		pkg := w.installed[name]
		change(&pkg)
		w.installed[name] = pkg
	})
}

// at lets time pass until d after zero.
func (w *world) at(d time.Duration) {
	w.t.Helper()
	wait := d - time.Since(w.zero)
	if wait < 0 {
		w.t.Fatalf("%v has passed", d)
	}
	w.wait(wait)
}

func (w *world) wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// until lets time pass until cond holds, and makes that moment zero.
func (w *world) until(what string, cond func() bool) {
	w.t.Helper()
	synctest.Wait()
	for limit := time.Now().Add(time.Minute); !cond(); w.wait(time.Millisecond) {
		if time.Now().After(limit) {
			w.t.Fatalf("%s did not come", what)
		}
	}
	w.zero = time.Now()
}

// restartClock makes this moment zero and empties the journal.
func (w *world) restartClock() {
	w.notes()
	w.zero = time.Now()
}

// forget empties the journal.
func (w *world) forget() { w.notes() }

// notes returns the journal and empties it.
func (w *world) notes() []entry {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	notes := w.journal
	w.journal = nil
	return notes
}

func (w *world) noteLocked(format string, args ...any) {
	w.journal = append(w.journal, entry{at: time.Now(), event: fmt.Sprintf(format, args...)})
}

// expect compares the journal with the wanted lines, and empties it. A line may begin with a time,
// to the hundredth of a second; without one, any time will do. A line that ends in … is a prefix.
func (w *world) expect(journal string) {
	w.t.Helper()
	notes := w.notes()
	slices.SortStableFunc(notes, func(a, b entry) int {
		return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.reply, b.reply))
	})
	want := strings.FieldsFunc(strings.ReplaceAll(journal, "\t", ""), func(r rune) bool { return r == '\n' })
	var got []string
	for _, e := range notes {
		got = append(got, fmt.Sprintf("%v %s", e.at.Sub(w.zero).Round(10*time.Millisecond), e.event+e.reply))
	}
	if !slices.EqualFunc(got, want, matches) {
		w.t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func matches(got, want string) bool {
	first, _, _ := strings.Cut(want, " ")
	if _, err := time.ParseDuration(first); err != nil {
		_, got, _ = strings.Cut(got, " ")
	}
	prefix, cut := strings.CutSuffix(want, "…")
	return got == want || cut && strings.HasPrefix(got, prefix)
}

// The requests run in goroutines, as those of clients do. The journal holds their replies.

func (w *world) start(name string) {
	w.ask("start "+name, func() error {
		port, err := w.sup.Start(name)
		w.set(func() {
			if err == nil && port != w.installed[name].Port {
				w.t.Errorf("start %s: port %d", name, port)
			}
		})
		return err
	})
}

func (w *world) stop(name string) { w.ask("stop "+name, func() error { return w.sup.Stop(name) }) }
func (w *world) shutdown()        { w.ask("shutdown", w.sup.Shutdown) }
func (w *world) kill()            { w.ask("kill", w.sup.Kill) }

func (w *world) ask(what string, request func() error) {
	go func() {
		answer := "ok"
		if err := request(); err != nil {
			answer = "error: " + err.Error()
		}
		w.set(func() { w.journal = append(w.journal, entry{at: time.Now(), reply: what + ": " + answer}) })
	}()
	synctest.Wait()
}

// up starts a service that is healthy at once, and makes that moment zero.
func (w *world) up(name string) *proc {
	w.t.Helper()
	w.start(name)
	if info := w.info(name); info.Status != "running" {
		w.t.Fatalf("%s is %+v", name, info)
	}
	w.restartClock()
	return w.last()
}

// crash ends the process that was spawned last.
func (w *world) crash() {
	w.last().exit("exit status 1")
	synctest.Wait()
}

// upAfter brings a service up that has had some failures in a row.
func (w *world) upAfter(failures int, name string) *proc {
	w.t.Helper()
	w.up(name)
	for i := range failures {
		w.crash()
		w.wait(backoff(i + 1))
	}
	w.restartClock()
	return w.last()
}

// failCheck makes the service's next check fail, and makes that moment zero. The process was
// spawned last.
func (w *world) failCheck(name string) {
	w.t.Helper()
	p, before := w.last(), w.info(name).Failures
	w.set(func() { p.ill = errors.New("ill") })
	w.until("a failed check", func() bool { return w.info(name).Failures > before })
}

// untilCheck lets time pass until the next probe of any service, and makes that moment zero.
func (w *world) untilCheck() {
	w.t.Helper()
	w.set(func() { w.watched = true })
	w.until("a check", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return len(w.journal) > 0
	})
	w.set(func() { w.watched = false })
	w.forget()
}

// giveUp runs a service until it is failed because it cannot be spawned any more.
func (w *world) giveUp(name string) {
	w.t.Helper()
	w.up(name)
	w.set(func() { w.spawnErr = errors.New("no") })
	w.crash()
	w.wait(time.Minute)
	w.is(name, "failed")
	w.set(func() { w.spawnErr = nil })
	w.restartClock()
}

// info returns the entry of a service in status, or nothing.
func (w *world) info(name string) Info {
	for _, info := range w.sup.Status() {
		info.proc = nil
		if info.Name == name {
			return info
		}
	}
	return Info{}
}

// last returns the process that was spawned last.
func (w *world) last() *proc {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.procs[len(w.procs)-1]
}
