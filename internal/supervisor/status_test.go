package supervisor

import (
	"slices"
	"testing"
	"testing/synctest"
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
		w.setup = func(p *proc) { p.ready, p.slow = 100*time.Millisecond, 300*time.Millisecond }
		want := Info{Name: "kv", Version: "1.0.0", Port: 9200}
		check := func(when string) {
			t.Helper()
			if got := w.info("kv"); got != want {
				t.Errorf("%s:\n got %+v\nwant %+v", when, got, want)
			}
		}
		failed := func(why string) {
			want.Status, want.Failures, want.LastError = "starting", 1, why
			want.LastErrorAt, want.RetryAt = time.Now(), time.Now().Add(backoff(1))
		}
		w.start("kv")
		want.Status, want.PID, want.StartedAt = "starting", 101, time.Now()
		check("while it starts")
		w.wait(time.Second)
		want.Status = "running"
		check("when it is healthy")

		w.last().exit("exit status 7")
		synctest.Wait()
		failed("exit status 7")
		want.PID, want.StartedAt = 0, time.Time{}
		check("in the back-off")

		w.set(func() { w.loadTime = time.Second })
		w.wait(backoff(1))
		want.RetryAt = time.Time{}
		check("while its package is read")
		w.wait(time.Second)
		want.PID, want.StartedAt, want.Restarts = 102, time.Now(), 1
		check("while it restarts")
		w.wait(time.Second)
		want.Status = "running"
		check("when it is healthy again")
		w.wait(stable)
		want.Failures = 0
		check("when it has been healthy for ten seconds")

		w.failCheck("kv")
		failed("ill")
		want.LastErrorAt, want.RetryAt = w.info("kv").LastErrorAt, w.info("kv").LastErrorAt.Add(backoff(1))
		check("while its process ends")
		w.wait(500 * time.Millisecond)
		want.PID, want.StartedAt = 0, time.Time{}
		check("when its process has ended")
	})
}
