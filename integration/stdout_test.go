//go:build linux

package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

func TestServiceStdout(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		args     []string
		inherits bool
	}{
		{"default", nil, false},
		{"null", []string{"-service-stdout=null"}, false},
		{"inherit", []string{"-service-stdout=inherit"}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			h := newHome(t)
			port := h.Install("kv", Behaviour{Say: "kv has something to say"})
			out, err := os.Create(filepath.Join(t.TempDir(), "out"))
			if err != nil {
				t.Fatal(err)
			}
			defer out.Close()
			cmd := daemonCommand(h, c.args...)
			cmd.Stdout = out
			d := startCommand(t, h, cmd)
			d.MustStart("kv", port)
			wantFile, wantText := os.DevNull, ""
			if c.inherits {
				wantFile, wantText = out.Name(), "kv has something to say\n"
			}
			file, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/1", h.Last("kv", "start")))
			if err != nil {
				t.Fatal(err)
			}
			want(t, "the standard output of kv", file, wantFile)
			text, err := os.ReadFile(out.Name())
			if err != nil {
				t.Fatal(err)
			}
			want(t, "what it said there", string(text), wantText)
		})
	}
}
