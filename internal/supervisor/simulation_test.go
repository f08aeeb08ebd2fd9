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

// A simulation is a System in virtual time. Its journal holds spawns, signals, exits and replies.
// Its log holds the lines that the supervisor logs.
type simulation struct {
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

// simulate runs f in virtual time with kv installed on port 9200. Afterwards it kills all services,
// and checks that no process, port or service remains.
func simulate(t *testing.T, f func(s *simulation)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := &simulation{
			t: t, zero: time.Now(),
			installed: map[string]packages.Service{}, holders: map[int]string{},
		}
		s.sup = New(s, log.New(&s.log, "", 0), DefaultInterval)
		s.install("kv", 9200)
		defer s.end()
		f(s)
	})
}

func (s *simulation) end() {
	s.set(func() {
		for _, p := range s.procs {
			p.immortal = false
		}
	})
	s.sup.Kill() // returns an error if a process was stuck
	s.set(func() {
		for _, p := range s.procs {
			p.exitLocked("end of the test")
		}
	})
	s.wait(time.Minute)
	s.nothingLeft()
}

func (s *simulation) nothingLeft() {
	s.t.Helper()
	s.set(func() {
		for _, p := range s.procs {
			if p.lives {
				s.t.Errorf("process %d lives", p.pid)
			}
		}
	})
	s.sup.mu.Lock()
	n, ports := len(s.sup.services), s.sup.ports
	s.sup.mu.Unlock()
	if n != 0 || len(ports) != 0 {
		s.t.Errorf("there are %d services, and they hold the ports %v", n, ports)
	}
	if list := s.sup.Status(); len(list) != 0 {
		s.t.Errorf("status lists %+v", list)
	}
}

// onlyFailed checks that status lists this service alone, as failed for this reason, without a
// process.
func (s *simulation) onlyFailed(name, why string) {
	s.t.Helper()
	list, info := s.sup.Status(), s.info(name)
	if len(list) != 1 || info.Status != "failed" || info.LastError != why || info.PID != 0 {
		s.t.Errorf("status is %+v, want %s failed: %s", list, name, why)
	}
}

// is checks the state of a service in status; "" means that it is not listed.
func (s *simulation) is(name, status string) {
	s.t.Helper()
	if info := s.info(name); info.Status != status {
		s.t.Errorf("status of %s is %+v, want %q", name, info, status)
	}
}

// set changes the simulation or a process, which other goroutines may be reading.
func (s *simulation) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func (s *simulation) install(name string, port int) {
	s.set(func() {
		s.installed[name] = packages.Service{
			Name: name, Version: "1.0.0", Binary: "/" + name, Port: port, Health: "/health",
			StartTimeout: startTimeout, StopTimeout: grace, HealthTimeout: healthTimeout,
		}
	})
}

// change changes an installed definition.
func (s *simulation) change(name string, change func(*packages.Service)) {
	s.set(func() {
		pkg := s.installed[name]
		change(&pkg)
		s.installed[name] = pkg
	})
}

// at lets time pass until d after zero.
func (s *simulation) at(d time.Duration) {
	s.t.Helper()
	wait := d - time.Since(s.zero)
	if wait < 0 {
		s.t.Fatalf("%v has passed", d)
	}
	s.wait(wait)
}

func (s *simulation) wait(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// until lets time pass until cond holds, and makes that moment zero.
func (s *simulation) until(what string, cond func() bool) {
	s.t.Helper()
	synctest.Wait()
	for limit := time.Now().Add(time.Minute); !cond(); s.wait(time.Millisecond) {
		if time.Now().After(limit) {
			s.t.Fatalf("%s did not come", what)
		}
	}
	s.zero = time.Now()
}

// restartClock makes this moment zero and empties the journal.
func (s *simulation) restartClock() {
	s.notes()
	s.zero = time.Now()
}

// forget empties the journal.
func (s *simulation) forget() { s.notes() }

// notes returns the journal and empties it.
func (s *simulation) notes() []entry {
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	notes := s.journal
	s.journal = nil
	return notes
}

func (s *simulation) noteLocked(format string, args ...any) {
	s.journal = append(s.journal, entry{at: time.Now(), event: fmt.Sprintf(format, args...)})
}

// expect compares the journal with the wanted lines, and empties it. A line may begin with a time,
// to the hundredth of a second; without one, any time will do. A line that ends in … is a prefix.
func (s *simulation) expect(journal string) {
	s.t.Helper()
	notes := s.notes()
	slices.SortStableFunc(notes, func(a, b entry) int {
		return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.reply, b.reply))
	})
	want := strings.FieldsFunc(strings.ReplaceAll(journal, "\t", ""), func(r rune) bool { return r == '\n' })
	var got []string
	for _, e := range notes {
		got = append(got, fmt.Sprintf("%v %s", e.at.Sub(s.zero).Round(10*time.Millisecond), e.event+e.reply))
	}
	if !slices.EqualFunc(got, want, matches) {
		s.t.Errorf("got:\n%s\nwant:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
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

func (s *simulation) start(name string) {
	s.ask("start "+name, func() error {
		port, err := s.sup.Start(name)
		s.set(func() {
			if err == nil && port != s.installed[name].Port {
				s.t.Errorf("start %s: port %d", name, port)
			}
		})
		return err
	})
}

func (s *simulation) stop(name string) { s.ask("stop "+name, func() error { return s.sup.Stop(name) }) }
func (s *simulation) shutdown()        { s.ask("shutdown", s.sup.Shutdown) }
func (s *simulation) kill()            { s.ask("kill", s.sup.Kill) }

func (s *simulation) ask(what string, request func() error) {
	go func() {
		answer := "ok"
		if err := request(); err != nil {
			answer = "error: " + err.Error()
		}
		s.set(func() { s.journal = append(s.journal, entry{at: time.Now(), reply: what + ": " + answer}) })
	}()
	synctest.Wait()
}

// up starts a service that is healthy at once, and makes that moment zero.
func (s *simulation) up(name string) *proc {
	s.t.Helper()
	s.start(name)
	if info := s.info(name); info.Status != "running" {
		s.t.Fatalf("%s is %+v", name, info)
	}
	s.restartClock()
	return s.last()
}

// crash ends the process that was spawned last.
func (s *simulation) crash() {
	s.last().exit("exit status 1")
	synctest.Wait()
}

// upAfter brings a service up that has had some failures in a row.
func (s *simulation) upAfter(failures int, name string) *proc {
	s.t.Helper()
	s.up(name)
	for i := range failures {
		s.crash()
		s.wait(backoff(i + 1))
	}
	s.restartClock()
	return s.last()
}

// failCheck makes the service's next check fail, and makes that moment zero. The process was
// spawned last.
func (s *simulation) failCheck(name string) {
	s.t.Helper()
	p, before := s.last(), s.info(name).Failures
	s.set(func() { p.ill = errors.New("ill") })
	s.until("a failed check", func() bool { return s.info(name).Failures > before })
}

// untilCheck lets time pass until the next probe of any service, and makes that moment zero.
func (s *simulation) untilCheck() {
	s.t.Helper()
	s.set(func() { s.watched = true })
	s.until("a check", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.journal) > 0
	})
	s.set(func() { s.watched = false })
	s.forget()
}

// giveUp runs a service until it is failed because it cannot be spawned any more.
func (s *simulation) giveUp(name string) {
	s.t.Helper()
	s.up(name)
	s.set(func() { s.spawnErr = errors.New("no") })
	s.crash()
	s.wait(time.Minute)
	s.is(name, "failed")
	s.set(func() { s.spawnErr = nil })
	s.restartClock()
}

// info returns the entry of a service in status, or nothing.
func (s *simulation) info(name string) Info {
	for _, info := range s.sup.Status() {
		info.proc = nil
		if info.Name == name {
			return info
		}
	}
	return Info{}
}

// last returns the process that was spawned last.
func (s *simulation) last() *proc {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.procs[len(s.procs)-1]
}
