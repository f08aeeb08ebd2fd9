package supervisor

import (
	"slices"
	"testing"
	"time"
)

func TestStatusIsSorted(t *testing.T) {
	inWorld(t, func(w *world) {
		names := []string{"web", "a-z", "kv", "db", "a"}
		for i, name := range names {
			w.install(name, 9300+i)
			w.start(name)
		}
		slices.Sort(names)
		var got []string
		for _, info := range w.sup.Status() {
			got = append(got, info.Name)
		}
		if !slices.Equal(got, names) {
			t.Errorf("got %v, want %v", got, names)
		}
	})
}

func TestInfoThroughALife(t *testing.T) {
	inWorld(t, func(w *world) {
		w.set(func() { w.setup = func(p *proc) { p.ready, p.slow = 100*time.Millisecond, 300*time.Millisecond } })
		began := time.Now()
		after := func(d time.Duration) time.Time { return began.Add(d) }
		check := func(at time.Duration, want Info) {
			t.Helper()
			w.at(at)
			want.Name, want.Version, want.Port = "kv", "1.0.0", 9200
			if got := w.info("kv"); got != want {
				t.Errorf("at %v:\n got %+v\nwant %+v", at, got, want)
			}
		}
		w.start("kv")
		check(0, Info{Status: "starting", PID: 101, StartedAt: began})
		check(time.Second, Info{Status: "running", PID: 101, StartedAt: began})

		w.last().exit("exit status 7")
		bad := Info{Failures: 1, LastError: "exit status 7", LastErrorAt: after(time.Second)}
		want := bad
		want.Status, want.RetryAt = "starting", after(2*time.Second)
		check(time.Second, want)

		w.set(func() { w.loadTime = time.Second })
		want.RetryAt = time.Time{}
		check(2500*time.Millisecond, want) // it spawns

		want.PID, want.StartedAt, want.Restarts = 102, after(3*time.Second), 1
		check(3*time.Second, want)
		want.Status = "running"
		check(4*time.Second, want)
		want.Failures = 0
		check(13100*time.Millisecond, want) // healthy for ten seconds

		p := w.last()
		w.set(func() { p.takes = hangs })
		failed := 3100*time.Millisecond + 10*time.Second + time.Until(w.sup.rounds.next(momentOf("kv"), time.Now())) + healthTimeout
		want.Status, want.Failures, want.LastError, want.LastErrorAt = "starting", 1, "no answer to GET /health within 2 s", after(failed)
		want.RetryAt = after(failed + time.Second)
		check(failed, want) // SIGTERM, and 0.3 s to die of it
		want.PID, want.StartedAt = 0, time.Time{}
		check(failed+500*time.Millisecond, want)
	})
}

// A deaf one is killed when its successor is due. While that is looked for, nothing is shown of the dead.
func TestInfoWhileTheSuccessorOfAKilledOneSpawns(t *testing.T) {
	inWorld(t, func(w *world) {
		p := w.up("kv")
		w.set(func() { p.takes, p.deaf, w.loadTime = hangs, true, time.Second })
		w.at(11500 * time.Millisecond) // killed at 11 s
		if info := w.info("kv"); info.PID != 0 || info.Status != "starting" || !info.RetryAt.IsZero() {
			t.Errorf("%+v", info)
		}
	})
}

func TestInfoOfAFailedOne(t *testing.T) {
	inWorld(t, func(w *world) {
		p := w.up("kv")
		w.set(func() { delete(w.installed, "kv") })
		p.exit("exit status 7")
		w.at(time.Minute)
		want := Info{Name: "kv", Version: "1.0.0", Port: 9200, Status: "failed", Failures: 5,
			LastError: "package 'kv' not found", LastErrorAt: w.zero.Add(15 * time.Second)}
		if got := w.info("kv"); got != want {
			t.Errorf("\n got %+v\nwant %+v", got, want)
		}
	})
}
