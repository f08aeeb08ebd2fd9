//go:build unix

package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The offers of bash after an incomplete command line.
func TestCompletionForBash(t *testing.T) {
	t.Parallel()
	need(t, "bash", "grep", "sed", "cut")
	h := newHome(t)
	for _, name := range []string{"kv", "kv-2", "web"} {
		h.Install(name, Behaviour{})
	}
	h.Write("modules/$(touch evil).json", "{}")
	h.Write("modules/kv-3.json.orig", "{}")
	d := startDaemon(t, h)
	d.Start("kv")
	d.Start("web")
	bash := func(addr, line string) string {
		t.Helper()
		cmd := exec.Command("bash", "--norc", "-uc", `source <(zrctl completion bash)
			eval "COMP_WORDS=($1)" COMP_CWORD=$(($2 - 1))
			_zrctl zrctl "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"
			echo "${COMPREPLY[*]-}"`, "bash", strings.ReplaceAll(line, "_", "''"), string('0'+rune(len(strings.Fields(line)))))
		cmd.Dir = h.Dir
		cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(zrctlPath)+":"+os.Getenv("PATH"), "ZR_HOME="+h.Dir, "ZRD_ADDR="+addr, "ZRCTL_FORMAT=table")
		got := run(t, cmd)
		offers := strings.Fields(got.out)
		slices.Sort(offers)
		return strings.Join(offers, " ") + got.errs
	}
	for _, row := range []struct{ line, offers string }{
		{"zrctl st", "start status stop"},
		{"zrctl -o table re", "restart"},
		{"zrctl -addr st", ""},
		{"zrctl -w", "-watch"},
		{"zrctl status -w", "-watch"},
		{"zrctl status -o _", "json table"},
		{"zrctl start _", "kv kv-2 web"},
		{"zrctl start web kv", "kv kv-2"},
		{"zrctl stop _", "kv web"},
		{"zrctl restart _", "kv web"},
		{"zrctl status w", "web"},
		{"zrctl status start", ""}, // start is a name here, not a second command
		{"zrctl shutdown _", ""},
		{"zrctl completion z", "zsh"},
	} {
		want(t, row.line, offered(row.offers, func() string { return bash(d.Addr, row.line) }), row.offers)
	}
	evil := serve(t, statusOf("$(touch evil)", "`touch evil`", "kv"))
	want(t, "names of a hostile daemon", offered("kv", func() string { return bash(evil, "zrctl stop _") }), "kv")
	want(t, "names without a daemon", bash("127.0.0.1:1", "zrctl stop _"), "")
	if _, err := os.Stat(h.Dir + "/evil"); err == nil {
		t.Error("a name was run as a command")
	}
}

// offered tries up to five times: the scripts wait a second for the daemon, and then offer nothing.
func offered(wanted string, ask func() string) (got string) {
	for range 5 {
		if got = ask(); got == wanted {
			break
		}
	}
	return got
}

// The offers of fish.
func TestCompletionForFish(t *testing.T) {
	t.Parallel()
	need(t, "fish")
	h := newHome(t)
	h.Install("kv", Behaviour{})
	h.Install("web", Behaviour{})
	d := startDaemon(t, h)
	d.Start("kv")
	for _, row := range []struct{ line, offers string }{
		{"zrctl st", "start status stop"},
		{"zrctl -w", "-watch"},
		{"zrctl status -o ", "json table"},
		{"zrctl start ", "kv web"},
		{"zrctl stop ", "kv"},
		{"zrctl completion z", "zsh"},
	} {
		want(t, row.line, offered(row.offers, func() string {
			cmd := exec.Command("fish", "--no-config", "-c", `zrctl completion fish | source; complete -C $argv[1] | string replace -r '\t.*' ''`, row.line)
			cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(zrctlPath)+":"+os.Getenv("PATH"), "HOME="+t.TempDir(), "ZR_HOME="+h.Dir, "ZRD_ADDR="+d.Addr)
			got := run(t, cmd)
			return singleSpaced(got.out) + got.errs
		}), row.offers)
	}
}

// zsh can read its script.
func TestCompletionForZsh(t *testing.T) {
	t.Parallel()
	need(t, "zsh")
	script := filepath.Join(t.TempDir(), "_zrctl")
	if err := os.WriteFile(script, []byte(ctl(t, "completion", "zsh").out), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := run(t, exec.Command("zsh", "-fn", script)); got != (result{}) {
		t.Errorf("zsh -n: %+v", got)
	}
}
