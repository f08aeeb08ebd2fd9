package supervisor

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

func TestStatusIsSorted(t *testing.T) {
	simulate(t, func(s *simulation) {
		names := []string{"web", "a-z", "kv", "db", "a"}
		for i, name := range names {
			s.install(name, 9300+i)
			s.start(name)
		}
		slices.Sort(names)
		var got []string
		for _, info := range s.sup.Status() {
			got = append(got, info.Name)
		}
		if !slices.Equal(got, names) {
			t.Errorf("got %v, want %v", got, names)
		}
	})
}

func TestInfoThroughALife(t *testing.T) {
	simulate(t, func(s *simulation) {
		s.setup = func(p *proc) { p.ready, p.slow = 100*time.Millisecond, 300*time.Millisecond }
		want := Info{Name: "kv", Version: "1.0.0", Port: 9200}
		check := func(when string) {
			t.Helper()
			if got := s.info("kv"); got != want {
				t.Errorf("%s:\n got %+v\nwant %+v", when, got, want)
			}
		}
		failed := func(why string) {
			want.Status, want.Failures, want.LastError = "starting", 1, why
			want.LastErrorAt, want.RetryAt = time.Now(), time.Now().Add(backoff(1))
		}
		s.start("kv")
		want.Status, want.PID, want.StartedAt = "starting", 101, time.Now()
		check("while it starts")
		s.wait(time.Second)
		want.Status = "running"
		check("when it is healthy")

		s.last().exit("exit status 7")
		synctest.Wait()
		failed("exit status 7")
		want.PID, want.StartedAt = 0, time.Time{}
		check("in the back-off")

		s.set(func() { s.loadTime = time.Second })
		s.wait(backoff(1))
		want.RetryAt = time.Time{}
		check("while its package is read")
		s.wait(time.Second)
		want.PID, want.StartedAt, want.Restarts = 102, time.Now(), 1
		check("while it restarts")
		s.wait(time.Second)
		want.Status = "running"
		check("when it is healthy again")
		s.wait(stable)
		want.Failures = 0
		check("when it has been healthy for ten seconds")

		s.failCheck("kv")
		failed("ill")
		want.LastErrorAt, want.RetryAt = s.info("kv").LastErrorAt, s.info("kv").LastErrorAt.Add(backoff(1))
		check("while its process ends")
		s.wait(500 * time.Millisecond)
		want.PID, want.StartedAt = 0, time.Time{}
		check("when its process has ended")
	})
}
