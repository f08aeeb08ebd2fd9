//go:build unix

package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

const readme = "../README.md"

// The README has the usage of both programs and the files of its example.
func TestReadme(t *testing.T) {
	t.Parallel()
	noteSources()
	text := readFile(t, readme)
	for _, path := range []string{zrdPath, zrctlPath} {
		usage := run(t, exec.Command(path, "-h"))
		if usage.exit != 0 || !strings.Contains(text, "```text\n"+usage.out+"```\n") {
			t.Errorf("the README does not print the usage of %s, which is\n%s%s", filepath.Base(path), usage.out, usage.errs)
		}
	}
	for _, name := range []string{"package.toml", "receipt.json"} {
		if file := readFile(t, "greet/"+name); !strings.Contains(text, "```"+filepath.Ext(name)[1:]+"\n"+file+"```\n") {
			t.Errorf("the README does not print greet/%s, which is\n%s", name, file)
		}
	}
}

// A block is a fenced block of a document.
type block struct{ language, text string }

func blocks(document string) (all []block) {
	for _, match := range regexp.MustCompile("(?ms)^```([a-z]+)\n(.*?)^```$").FindAllStringSubmatch(document, -1) {
		all = append(all, block{match[1], match[2]})
	}
	return all
}

// The commands in the README section about a package print what it says, in a clone and an empty
// home. Only the ports differ.
func TestReadmeCommands(t *testing.T) {
	t.Parallel()
	need(t, "curl", "python3", "go")
	_, section, _ := strings.Cut(readFile(t, readme), "\n## A package of your own\n")
	section, _, _ = strings.Cut(section, "\n## ")
	ports := regexp.MustCompile(`\b920[12]\b`)
	others := map[string]string{"9201": strconv.Itoa(freePort(t)), "9202": strconv.Itoa(freePort(t))}
	adapt := func(s string) string {
		s = strings.ReplaceAll(s, "port = 9202\n", "port = 9202\nstart-timeout = \"5m\"\n") // for a busy machine
		s = strings.ReplaceAll(s, "zrctl start", "zrctl -timeout 5m start")
		return ports.ReplaceAllStringFunc(s, func(port string) string { return others[port] })
	}
	keys, clone := freePort(t), t.TempDir()
	write(t, filepath.Join(clone, "go.mod"), "module zr\n\ngo 1.25\n")
	for _, name := range []string{"main.go", "package.toml", "receipt.json"} {
		write(t, filepath.Join(clone, "integration/greet", name), adapt(readFile(t, "greet/"+name)))
	}
	user := t.TempDir()
	h := homeAt(t, filepath.Join(user, ".zr"))
	cache := run(t, exec.Command("go", "env", "GOCACHE")).out
	env := append(without(without(os.Environ(), "ZR_HOME"), "ZRCTL_FORMAT"), "HOME="+user, "GOCACHE="+strings.TrimSpace(cache),
		"GOFLAGS=-buildvcs=false", "PATH="+filepath.Dir(zrctlPath)+":"+os.Getenv("PATH"))
	var d *Daemon
	var printed string
	for _, b := range blocks(section) {
		switch {
		case b.text == "zrd\n":
			cmd := exec.Command(zrdPath, "-addr", "127.0.0.1:0")
			cmd.Env = env
			d = startCommand(t, h, cmd)
			env = append(env, "ZRD_ADDR="+d.Addr)
		case b.language == "sh":
			cmd := exec.Command("sh", "-e", "-c", adapt(b.text))
			cmd.Dir, cmd.Env = clone, env
			got := run(t, cmd)
			if printed = got.out; got.exit != 0 {
				t.Fatalf("exit status %d of\n%s%s", got.exit, b.text, got.errs)
			}
		case b.language == "text":
			want(t, "the output", singleSpaced(printed), singleSpaced(adapt(b.text)))
			printed = ""
		case strings.Contains(b.text, "start-timeout"):
			h.InstallAt("keys", keys, Behaviour{}, strings.Replace(b.text, "port = 9201\n", "", 1))
		}
	}
	if d == nil || printed != "" {
		t.Fatalf("the section runs no zrd, or does not show %q", printed)
	}
	wantResult(t, "start keys", d.Ctl("start", "keys"), result{portLine(keys), "", 0})
	if strings.Contains(d.Log.String(), "no effect") {
		t.Error("a key of the README has no effect")
	}
}

// singleSpaced removes the padding of tables, whose width depends on the numbers.
func singleSpaced(text string) string { return strings.Join(strings.Fields(text), " ") }

// The tests and files that the documents name exist.
func TestDocumentsNameWhatExists(t *testing.T) {
	t.Parallel()
	tests := map[string]bool{}
	for _, pattern := range []string{"../*/*_test.go", "../*/*/*_test.go"} {
		files, _ := filepath.Glob(pattern)
		for _, file := range files {
			for _, name := range found(`(?m)^func ((?:Test|Benchmark|Fuzz)\w+)`, readFile(t, file)) {
				tests[name] = true
			}
		}
	}
	for _, document := range []string{readme, "README.md", "../internal/README.md"} {
		text := readFile(t, document)
		for _, name := range found("`((?:Test|Benchmark|Fuzz)\\w+)`", text) {
			if !tests[name] {
				t.Errorf("%s names %s, which does not exist", document, name)
			}
		}
		for _, link := range found(`\]\(([^):#]+)\)`, text) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(document), link)); err != nil {
				t.Errorf("%s: %v", document, err)
			}
		}
	}
}

func readFile(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// write writes an executable file, and makes the folders above it.
func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := writeFile(path, text, 0o755); err != nil {
		t.Fatal(err)
	}
}
