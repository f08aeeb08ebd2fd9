//go:build unix

package integration

import (
	"errors"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

var manPages = map[string]struct{ source, program string }{
	"zrd.8":   {"../zrd/zrd.8", "zrd"},
	"zrctl.1": {"../zrctl/zrctl.1", "zrctl"},
}

// mandoc looks for the pages that others refer to among those of the system, where these
// two and systemd's may not be installed.
var notInstalled = regexp.MustCompile(`STYLE: referenced manual not found: Xr (zrd 8|zrctl 1|systemd 1|systemd\.service 5|systemd\.socket 5|nohup 1) ?(\(\d+ times\))?\n$`)

func TestManPages(t *testing.T) {
	t.Parallel()
	need(t, "mandoc")
	for name, page := range manPages {
		out, err := exec.Command("mandoc", "-T", "lint", page.source).Output()
		var exit *exec.ExitError
		if err != nil && !errors.As(err, &exit) {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(out)) {
			if !notInstalled.MatchString(line) {
				t.Errorf("%s: %s", name, line)
			}
		}
	}
}

// Every flag that a program tells of is in its page.
func TestManPagesHaveAllFlags(t *testing.T) {
	t.Parallel()
	for name, page := range manPages {
		path := map[string]string{"zrd": zrdPath, "zrctl": zrctlPath}[page.program]
		usage, err := exec.Command(path, "-h").CombinedOutput()
		if err != nil {
			t.Fatal(err)
		}
		text := manPage(t, page.source)
		flags := regexp.MustCompile(`(?m)^  -([a-z-]+)`).FindAllSubmatch(usage, -1)
		if len(flags) < 5 {
			t.Errorf("%s -h tells of %d flags only:\n%s", page.program, len(flags), usage)
		}
		for _, flag := range flags {
			if !regexp.MustCompile(`(?m)^\.It Fl ` + string(flag[1]) + `\b`).MatchString(text) {
				t.Errorf("%s says nothing of -%s", name, flag[1])
			}
		}
	}
}

// need skips the test where a tool is not installed.
func need(t *testing.T, tools ...string) {
	t.Helper()
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(tool + " is not installed")
		}
	}
}

func manPage(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestVersion(t *testing.T) {
	t.Parallel()
	for program, path := range map[string]string{"zrd": zrdPath, "zrctl": zrctlPath} {
		out, err := exec.Command(path, "-version").CombinedOutput()
		if err != nil || !regexp.MustCompile(`^`+program+` (v\d\S+|[0-9a-f]{40}|\(devel\))\n$`).Match(out) {
			t.Errorf("%s -version: %q, %v", program, out, err)
		}
	}
}
