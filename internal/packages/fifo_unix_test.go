//go:build unix

package packages

import (
	"os"
	"syscall"
	"testing"
)

// A FIFO without a writer would block its reader. A device may have no end.
func TestSpecialFiles(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"modules/kv.json", "store/kv/1.0.0/package.toml"} {
		h := newHome(t)
		os.Remove(h.at(path))
		if err := syscall.Mkfifo(h.at(path), 0o644); err != nil {
			t.Fatal(err)
		}
		h.loadFails(t, "HOME/"+path+": not a regular file")
		h.link(t, path, "/dev/zero")
		h.loadFails(t, "HOME/"+path+": not a regular file")
	}
}

// /proc/kmsg is a regular file. A read of it may block, and takes messages away from others.
func TestEndlessFile(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/kmsg"); err != nil {
		t.Skip(err)
	}
	for path, want := range map[string]string{
		"modules/kv.json":             "HOME/modules/kv.json: not a receipt: the file is empty",
		"store/kv/1.0.0/package.toml": "package 'kv' has no service section",
	} {
		h := newHome(t)
		h.link(t, path, "/proc/kmsg")
		if os.Geteuid() != 0 {
			want = "open HOME/" + path + ": permission denied"
		}
		h.loadFails(t, want)
	}
}
