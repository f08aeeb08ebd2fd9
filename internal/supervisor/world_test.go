package supervisor

import (
	"bytes"
	"cmp"
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

// What a definition without such keys says.
const (
	startTimeout = 10 * time.Second
	grace        = 5 * time.Second

	healthTimeout = 2 * time.Second
)

// A world is a System in virtual time. It keeps a journal of all that a
// supervisor does and says in it, each line with the time since zero.
type world struct {
	t    *testing.T
	sup  *Supervisor
	zero time.Time

	mu        sync.Mutex // guards all below, and every proc
	installed map[string]packages.Service
	loadTime  time.Duration
	spawnTime time.Duration
	spawnErr  error
	holders   map[int]string
	setup     func(*proc) // of each new process
	procs     []*proc
	asked     int // probes under way that will be answered
	mostAsked int
	watched   bool // probes are noted
	journal   []entry
}

type entry struct {
	at    time.Duration
	reply bool // notes of clients are in no order with others of the same instant
	text  string
}

// inWorld runs f in virtual time with kv installed on port 9200. In the end it
// kills all services and lets their processes die; nothing may be left then.
func inWorld(t *testing.T, f func(w *world)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.end()
		f(w)
	})
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, zero: time.Now(), installed: map[string]packages.Service{}, holders: map[int]string{}}
	w.sup = New(w, log.New(logWriter{w}, "daemon: ", 0), DefaultInterval)
	w.install("kv", 9200)
	return w
}

func (w *world) end() {
	w.set(func() {
		for _, p := range w.procs {
			p.immortal = false
		}
	})
	w.sup.Kill() // its error is about what was stuck in the test
	w.set(func() {
		for _, p := range w.procs {
			p.exitLocked("test over")
		}
	})
	time.Sleep(time.Minute)
	synctest.Wait()
	w.nothingLeft()
}

func (w *world) nothingLeft() {
	w.t.Helper()
	w.set(func() {
		for _, p := range w.procs {
			if p.lives {
				w.t.Errorf("process %d is left", p.pid)
			}
		}
	})
	w.sup.mu.Lock()
	n, ports := len(w.sup.services), w.sup.ports
	w.sup.mu.Unlock()
	if n != 0 || len(ports) != 0 {
		w.t.Errorf("%d services and the ports %v are left", n, ports)
	}
	if list := w.sup.Status(); len(list) != 0 {
		w.t.Errorf("still listed: %+v", list)
	}
}

// onlyFailed wants one entry, of a service that failed for this reason, and no process.
func (w *world) onlyFailed(name, why string) {
	w.t.Helper()
	list := w.sup.Status()
	if len(list) != 1 || list[0].Name != name || list[0].Status != "failed" || list[0].LastError != why || list[0].PID != 0 {
		w.t.Errorf("status is %+v, want %s failed: %s", list, name, why)
	}
}

// set changes the world, or a process, while actors may be looking.
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

// at lets time pass until d after zero, and everything happen that is due.
func (w *world) at(d time.Duration) {
	w.t.Helper()
	wait := d - time.Since(w.zero)
	if wait < 0 {
		w.t.Fatalf("%v has passed", d)
	}
	time.Sleep(wait)
	synctest.Wait()
}

// restartClock makes this moment zero.
func (w *world) restartClock() {
	synctest.Wait()
	w.set(func() { w.zero, w.journal = time.Now(), nil })
}

// forget drops what was noted so far.
func (w *world) forget() { w.notes() }

// notes returns, and forgets, what was noted so far.
func (w *world) notes() []entry {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	notes := w.journal
	w.journal = nil
	return notes
}

func (w *world) note(format string, args ...any) { w.set(func() { w.noteLocked(format, args...) }) }

func (w *world) noteLocked(format string, args ...any) {
	w.journal = append(w.journal, entry{at: time.Since(w.zero), text: fmt.Sprintf(format, args...)})
}

// expect compares what was noted since the last call. Times are shown to the
// millisecond.
func (w *world) expect(journal string) {
	w.t.Helper()
	notes := w.notes()
	slices.SortStableFunc(notes, func(a, b entry) int {
		switch {
		case a.at != b.at:
			return cmp.Compare(a.at, b.at)
		case a.reply != b.reply:
			return map[bool]int{false: -1, true: 1}[a.reply]
		case a.reply:
			return strings.Compare(a.text, b.text)
		}
		return 0
	})
	var got strings.Builder
	for _, e := range notes {
		fmt.Fprintf(&got, "%v %s\n", e.at.Round(time.Millisecond), e.text)
	}
	want := strings.ReplaceAll(strings.TrimPrefix(journal, "\n"), "\t", "")
	if got.String() != want {
		w.t.Errorf("got:\n%s\nwant:\n%s", got.String(), want)
	}
}

type logWriter struct{ w *world }

func (l logWriter) Write(line []byte) (int, error) {
	l.w.note("%s", bytes.TrimSuffix(line, []byte("\n")))
	return len(line), nil
}

// The requests are made as clients make them; their answers are noted.

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
			answer = err.Error()
		}
		w.set(func() { w.journal = append(w.journal, entry{time.Since(w.zero), true, what + ": " + answer}) })
	}()
	synctest.Wait()
}

// up starts a service that gets healthy at once, and makes that moment zero.
func (w *world) up(name string) *proc {
	w.t.Helper()
	w.start(name)
	if info := w.info(name); info.Status != "running" {
		w.t.Fatalf("%s is %+v", name, info)
	}
	w.restartClock()
	return w.last()
}

// failing returns a process that fails its n-th check in a row, at zero plus
// ten seconds.
func (w *world) failing(name string, n int) *proc {
	w.t.Helper()
	p := w.up(name)
	for i := 1; i < n; i++ {
		p.exit("exit status 1")
		w.at(time.Since(w.zero) + backoff(i))
		p = w.last()
	}
	first := time.Until(w.sup.rounds.next(momentOf(name), time.Now()))
	w.set(func() { w.zero = time.Now().Add(first + 2*time.Second - 10*time.Second) })
	return p
}

// info is what status shows of a service, or nothing.
func (w *world) info(name string) Info {
	for _, info := range w.sup.Status() {
		info.proc = nil
		if info.Name == name {
			return info
		}
	}
	return Info{}
}

// last is the process that was spawned last.
func (w *world) last() *proc {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.procs[len(w.procs)-1]
}
