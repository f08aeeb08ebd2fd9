package supervisor

import (
	"fmt"
	"testing"
	"time"
)

func TestBackoff(t *testing.T) {
	t.Parallel()
	for failures, want := range map[int]time.Duration{
		0: time.Second, 1: time.Second, 2: 2 * time.Second, 3: 4 * time.Second, 4: 8 * time.Second,
		5: 16 * time.Second, 6: 32 * time.Second, 7: time.Minute, 100: time.Minute,
	} {
		if got := backoff(failures); got != want {
			t.Errorf("after %d failures: %v, want %v", failures, got, want)
		}
	}
}

// A service that answers is probed at most 150 times in the first ten seconds of its start. Polling
// delays the reply by 5 % or 3 ms at most.
func TestPollGap(t *testing.T) {
	t.Parallel()
	for reached, most := range map[bool]int{false: 2000, true: 150} {
		probes := 0
		for elapsed := time.Duration(0); elapsed < 10*time.Second; probes++ {
			gap := pollGap(elapsed, reached)
			if gap <= 0 || gap > max(3*time.Millisecond, elapsed/20) {
				t.Errorf("after %v: %v", elapsed, gap)
			}
			elapsed += gap
		}
		if probes > most {
			t.Errorf("%d probes in 10 s", probes)
		}
	}
}

// The checks of a thousand services spread over the moments of an interval. None has twice its
// share.
func TestChecksShareMoments(t *testing.T) {
	t.Parallel()
	began := time.Now()
	for _, interval := range []time.Duration{time.Millisecond, DefaultInterval, 1 << 60} {
		r := rounds{began: began, interval: interval}
		shares := map[time.Duration]int{}
		for i := range 1000 {
			name := fmt.Sprintf("service-%d", i)
			for _, now := range []time.Duration{0, interval / 3, interval, 5*interval + 1} {
				in := r.next(momentOf(name), began.Add(now)).Sub(began)
				if in <= now || in > now+interval {
					t.Fatalf("%s is checked %v after %v, with an interval of %v", name, in, now, interval)
				}
				shares[in%interval]++
			}
		}
		if len(shares) != moments {
			t.Errorf("interval %v: %d moments", interval, len(shares))
		}
		for moment, n := range shares {
			if n < 4*1000/moments/2 || n > 4*1000/moments*2 {
				t.Errorf("interval %v: %d of 4000 at %v", interval, n, moment)
			}
		}
	}
}
