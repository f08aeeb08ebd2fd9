//go:build unix

package integration

import (
	"errors"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var manPages = map[string]struct{ source, program string }{
	"zrd.8":   {"../zrd/zrd.8", "zrd"},
	"zrctl.1": {"../zrctl/zrctl.1", "zrctl"},
}

// mandoc wants every page that is referred to. These may not be installed.
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

// A man page has the flags of its program, and no others.
func TestManPagesHaveAllFlags(t *testing.T) {
	t.Parallel()
	for name, page := range manPages {
		path := map[string]string{"zrd": zrdPath, "zrctl": zrctlPath}[page.program]
		usage, err := exec.Command(path, "-h").CombinedOutput()
		if err != nil {
			t.Fatal(err)
		}
		flags := found(`(?m)^  -([a-z-]+)`, string(usage))
		if len(flags) < 5 {
			t.Errorf("%s -h has %d flags:\n%s", page.program, len(flags), usage)
		}
		want(t, "the flags of "+name, strings.Join(found(`(?m)^\.It Fl ([a-z-]+)`, readFile(t, page.source)), " "), strings.Join(flags, " "))
	}
}

// The README and the man page have the same keys of a definition.
func TestManPageHasAllKeys(t *testing.T) {
	t.Parallel()
	for _, b := range blocks(readFile(t, readme)) {
		if strings.Contains(b.text, "start-timeout =") {
			want(t, "the keys in zrd.8", strings.Join(found(`(?m)^\.It Li ([a-z-]+)$`, readFile(t, "../zrd/zrd.8")), " "),
				strings.Join(found(`(?m)^([a-z-]+) = `, b.text), " "))
			return
		}
	}
	t.Error("the README has no block of keys")
}

// found returns the matches of the group in pattern, sorted.
func found(pattern, text string) (matches []string) {
	for _, match := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
		matches = append(matches, match[1])
	}
	slices.Sort(matches)
	return matches
}

// The usage, the man page and the completions have the commands of zrctl.
func TestCommandsAreDocumented(t *testing.T) {
	t.Parallel()
	_, known, _ := strings.Cut(ctl(t, "nothing").errs, "it is one of ")
	commands := found(`([a-z]+)(?:,| and|;)`, strings.Split(known, " see")[0])
	if len(commands) < 6 {
		t.Fatalf("zrctl has the commands %q", commands)
	}
	usage := ctl(t, "-h").out
	page := readFile(t, "../zrctl/zrctl.1")
	want(t, "the commands of zrctl -h", strings.Join(found(`(?m)^  ([a-z]+) .*  zrctl `, usage), " "), strings.Join(commands, " "))
	want(t, "the commands of zrctl.1", strings.Join(found(`(?m)^\.It Cm ([a-z]+)`, page), " "), strings.Join(commands, " "))
	for _, command := range commands {
		if synopsis := strings.Split(page, ".Sh DESCRIPTION")[0]; !regexp.MustCompile(`(?m)^\.Cm (.* )?` + command + `\b`).MatchString(synopsis) {
			t.Errorf("the synopsis of zrctl.1 does not have %s", command)
		}
	}
	for _, shell := range []string{"bash", "fish", "zsh"} {
		script := " " + strings.NewReplacer("'", " ", `"`, " ", "(", " ", ")", " ", "\n", " ").Replace(ctl(t, "completion", shell).out) + " "
		for _, word := range append(commands, found(`(?m)^  (-[a-z-]+)`, usage)...) {
			if !strings.Contains(script, " "+word+" ") {
				t.Errorf("the completion for %s does not have %s", shell, word)
			}
		}
		if strings.Contains(script, "@") && shell != "bash" {
			t.Errorf("the completion for %s has an empty place:\n%s", shell, script)
		}
	}
}

// need skips the test if a tool is not installed.
func need(t *testing.T, tools ...string) {
	t.Helper()
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip(tool + " is not installed")
		}
	}
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
