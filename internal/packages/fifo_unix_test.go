//go:build unix

package packages

import (
	"os"
	"syscall"
	"testing"
)

// A FIFO without a writer would hold up whoever opens it, and an endless device whoever
// reads it.
func TestSpecialFiles(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"modules/kv.json", "store/kv/1.0.0/package.toml"} {
		h := newHome(t)
		os.Remove(h.at(path))
		if err := syscall.Mkfifo(h.at(path), 0o644); err != nil {
			t.Fatal(err)
		}
		h.loadFails(t, "HOME/"+path+": not a regular file")
		os.Remove(h.at(path))
		if err := os.Symlink("/dev/zero", h.at(path)); err != nil {
			t.Fatal(err)
		}
		h.loadFails(t, "HOME/"+path+": not a regular file")
	}
}
