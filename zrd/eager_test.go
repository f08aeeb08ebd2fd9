package main

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"zr/internal/supervisor"
)

// startFunc is a supervisor in one function.
type startFunc func() error

func (f startFunc) Start(string) (int, error) { return 0, f() }

func TestStartAfterLeftover(t *testing.T) {
	taken, other := error(&supervisor.ForeignError{Port: 9200}), errors.New("no binary")
	for _, c := range []struct {
		name       string
		free       time.Duration // from when on err is what there is
		err        error
		want       error
		wantPassed time.Duration
	}{
		{"at once", 0, nil, nil, 0},
		{"when the port is free", 100 * time.Millisecond, nil, nil, 100 * time.Millisecond},
		{"another failure then", 100 * time.Millisecond, other, other, 100 * time.Millisecond},
		{"another failure", 0, other, other, 0},
		{"given up", time.Hour, nil, taken, leftover + leftoverRetry},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				err := startAfterLeftover("kv", startFunc(func() error {
					if time.Since(began) < c.free {
						return taken
					}
					return c.err
				}))
				if passed := time.Since(began); err != c.want || passed != c.wantPassed {
					t.Errorf("%v after %v, want %v after %v", err, passed, c.want, c.wantPassed)
				}
			})
		})
	}
}
