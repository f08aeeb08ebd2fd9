//go:build unix

package packages

import (
	"os"
	"syscall"
	"testing"
)

// A FIFO without a writer would hold up its reader, an endless device too.
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

// /proc/kmsg is a regular file. It would hold up its reader, and what is read from it is gone.
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
		os.Remove(h.at(path))
		if err := os.Symlink("/proc/kmsg", h.at(path)); err != nil {
			t.Fatal(err)
		}
		if os.Geteuid() != 0 {
			want = "open HOME/" + path + ": permission denied"
		}
		h.loadFails(t, want)
	}
}
