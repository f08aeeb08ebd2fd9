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

func TestPollGap(t *testing.T) {
	t.Parallel()
	for elapsed, want := range map[time.Duration]time.Duration{
		0:                      time.Millisecond,
		100 * time.Millisecond: time.Millisecond,
		330 * time.Millisecond: 1650 * time.Microsecond,
		time.Second:            5 * time.Millisecond,
		10 * time.Second:       50 * time.Millisecond,
		time.Minute:            100 * time.Millisecond,
	} {
		if got := pollGap(elapsed); got != want {
			t.Errorf("after %v: %v, want %v", elapsed, got, want)
		}
	}
}

// The checks of a thousand services share the moments of an interval evenly: none has twice its share.
func TestChecksShareMoments(t *testing.T) {
	t.Parallel()
	began := time.Now()
	for _, interval := range []time.Duration{time.Millisecond, DefaultInterval, 1 << 60} {
		shares := map[time.Duration]int{}
		for i := range 1000 {
			name := fmt.Sprintf("service-%d", i)
			for _, now := range []time.Duration{0, interval / 3, interval, 5*interval + 1} {
				in := nextCheck(name, began, began.Add(now), interval).Sub(began)
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
