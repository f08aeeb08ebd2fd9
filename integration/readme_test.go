//go:build unix

package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What the README prints of files and of usage is what there is.
func TestReadme(t *testing.T) {
	t.Parallel()
	noteSources()
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	printed := map[string]string{}
	for _, pattern := range []string{"testdata/*", "testdata/*/*"} {
		paths, _ := filepath.Glob(pattern)
		for _, path := range paths {
			if data, err := os.ReadFile(path); err == nil { // else a folder
				printed[path] = "\n" + string(data) + "```\n"
			}
		}
	}
	for _, path := range []string{zrdPath, zrctlPath} {
		usage, err := exec.Command(path, "-h").CombinedOutput()
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(path)
		own := strings.ReplaceAll(string(usage), path, name) // the flag package says how it was called
		printed[name+" -h"] = "\n$ " + name + " -h\n" + own
	}
	if len(printed) < 7 {
		t.Errorf("only %d texts were found", len(printed))
	}
	for what, expect := range printed {
		if !strings.Contains(string(text), expect) {
			t.Errorf("the README does not print %s:\n%s", what, expect)
		}
	}
}
