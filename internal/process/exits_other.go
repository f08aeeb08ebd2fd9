//go:build !linux

package process

// exits is nothing here: a thread waits for each process.
type exits struct{}

func newExits() *exits                { return nil }
func (*exits) await(int, func()) bool { return false }
