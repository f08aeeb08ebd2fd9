package packages

import (
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

const slowDisk = "package 'kv': the disk with /home did not answer within 10s"

// A package whose disk does not answer is read once, and each caller gets an error after 10 s.
// Other packages can be read meanwhile, and this package when the disk answers again.
func TestStuckPackage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := Open("/home")
		disk := make(chan struct{})
		reads := 0
		load := func() (int, error) {
			return within(h, "package 'kv'", func() (int, error) {
				reads++
				<-disk
				return reads, nil
			})
		}
		for range 100 {
			go func() {
				began := time.Now()
				if _, err := load(); err == nil || err.Error() != slowDisk || time.Since(began) != 10*time.Second {
					t.Errorf("%v after %v", err, time.Since(began))
				}
			}()
		}
		synctest.Wait()
		if got, err := within(h, "web", func() (int, error) { return 7, nil }); got != 7 || err != nil {
			t.Errorf("another package: got %d, %v", got, err)
		}
		time.Sleep(time.Hour)
		if reads != 1 {
			t.Errorf("%d reads of one name at once", reads)
		}
		close(disk)
		synctest.Wait()
		if got, err := load(); got != 2 || err != nil {
			t.Errorf("when the disk answers: read %d, %v; want a new one", got, err)
		}
	})
}

// Each of several callers gets what is read after its call.
func TestReadsAreFresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := Open("/home")
		var content atomic.Int64
		for range 5 {
			asked := content.Load()
			go func() {
				got, err := within(h, "package 'kv'", func() (int64, error) {
					got := content.Load()
					time.Sleep(time.Second)
					return got, nil
				})
				if got < asked || err != nil {
					t.Errorf("got %d, %v; %d was there before", got, err, asked)
				}
			}()
			time.Sleep(500 * time.Millisecond)
			content.Add(1)
		}
		time.Sleep(time.Minute)
	})
}

// A bounded number of reads waits for a disk that does not answer. Few of them begin at once, and a
// package on another disk can be read meanwhile.
func TestStuckHome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := Open("/home")
		disk := make(chan struct{})
		var reads atomic.Int64
		stuck := func(n int) {
			for i := range n {
				go within(h, fmt.Sprintf("package %d of %d", i, n), func() (int, error) {
					reads.Add(1)
					<-disk
					return 0, nil
				})
			}
			synctest.Wait()
		}
		read := func() error {
			_, err := within(h, "package 'kv'", func() (int, error) { return 0, nil })
			return err
		}
		stuck(100)
		if n := reads.Load(); n != maxQuick {
			t.Errorf("%d reads begin at once", n)
		}
		stuck(maxReads - 101)
		began := time.Now()
		if err := read(); err != nil || time.Since(began) > 4*time.Second {
			t.Errorf("behind the most that hang: %v after %v", err, time.Since(began))
		}
		time.Sleep(time.Minute)
		if err := read(); err != nil || reads.Load() != maxReads-1 {
			t.Errorf("beside %d of %d: %v", reads.Load(), maxReads-1, err)
		}
		stuck(2 * maxReads)
		time.Sleep(time.Hour)
		if err := read(); err == nil || err.Error() != slowDisk || reads.Load() != maxReads {
			t.Errorf("beside %d: %v", reads.Load(), err)
		}
		close(disk)
		synctest.Wait()
		if err := read(); err != nil {
			t.Errorf("after them: %v", err)
		}
	})
}
