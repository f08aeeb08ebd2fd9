//go:build unix

package integration

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

func init() {
	os.Unsetenv("ZRCTL_FORMAT")
}

func wantResult(t testing.TB, what string, got, wanted result) {
	t.Helper()
	if got != wanted {
		t.Errorf("zrctl %s:\n got %q\nwant %q", what, got, wanted)
	}
}

// untilHint repeats a stop that lacks a hint: zrctl asks for it no longer than a second.
func untilHint(hint string, stop func() result) (got result) {
	for range 5 {
		if got = stop(); got.errs != "" || hint == "" {
			break
		}
	}
	return got
}

const nameRule = "a package name is words of a-z and 0-9 joined by hyphens, the first character a letter"

// Each command prints the reply as it came, and exits with 0 or 1.
func TestCommands(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	kv, web := h.Install("kv", Behaviour{}), h.Install("web", Behaviour{})
	d := startDaemon(t, h)
	hint := "hint: the daemon looks for modules/nobody.json in its home, which is what its -home or $ZR_HOME says, or ~/.zr (from here, " + h.Dir + ")\n"
	const nameHint = "hint: " + nameRule + "\n"
	missing := errorLine("package 'nobody' not found")
	both := statusLine(entry("kv", kv, "running"), entry("web", web, "running"))
	for _, row := range []struct {
		args string
		want result
	}{
		{"ping", result{okLine, "", 0}},
		{"status", result{statusLine(), "", 0}},
		{"status kv", result{statusLine(), "", 1}},
		{"start kv", result{portLine(kv), "", 0}},
		{"start nobody", result{missing, hint, 1}},
		{"start nobody web kv", result{missing + portLine(web) + portLine(kv), hint, 1}},
		{"start kv web", result{portLine(kv) + portLine(web), "", 0}},
		{"status", result{both, "", 0}},
		{"status web kv", result{statusLine(entry("web", web, "running"), entry("kv", kv, "running")), "", 0}},
		{"status kv nobody", result{statusLine(entry("kv", kv, "running")), "", 1}},
		{"status nobody", result{statusLine(), "", 1}},
		{"-o json status", result{both, "", 0}},
		{"status -o json", result{both, "", 0}},
		{"stop kv", result{okLine, "", 0}},
		{"stop kv nobody web", result{okLine + okLine + okLine, "hint: nobody was not running; there is no " + h.Dir + "/modules/nobody.json\n", 0}},
		{"status", result{statusLine(), "", 0}},
		{"restart kv nobody web", result{portLine(kv) + missing + portLine(web), hint, 1}},
		{"restart web kv", result{portLine(web) + portLine(kv), "", 0}},
		{"start KV", result{errorLine("package 'KV' not found"), nameHint, 1}},
		{"shutdown", result{okLine, "", 0}},
	} {
		got := untilHint(row.want.errs, func() result { return d.Ctl(strings.Fields(row.args)...) })
		wantResult(t, row.args, got, row.want)
	}
	d.WaitExit(0)
	wantNoDaemon(t, d.Ctl("ping"), d.Addr)
	for _, command := range []string{"start", "stop", "restart"} {
		wantNoDaemon(t, d.Ctl(command, "kv", "web", "nobody"), d.Addr) // one error for all names
	}
}

// A restart makes another process. If there is none, it is a start.
func TestRestartCommand(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	port := h.Install("kv", Behaviour{})
	d := startDaemon(t, h)
	for starts := 1; starts <= 2; starts++ {
		wantResult(t, "restart kv", d.Ctl("restart", "kv"), result{portLine(port), "", 0})
		if pids := h.Pids("kv", "start"); len(pids) != starts {
			t.Errorf("after restart %d, kv was started as %v", starts, pids)
		}
	}
	want(t, "status", d.Status(), statusLine(entry("kv", port, "running")))
}

// zrctl explains why the daemon does not find a package, as far as it can see.
func TestHintsAboutPackages(t *testing.T) {
	t.Parallel()
	h, other := newHome(t), newHome(t)
	for _, name := range []string{"library", "portless", "data", "listed"} {
		h.Install(name, Behaviour{})
	}
	h.Write("store/library/1.0.0/package.toml", "name = \"library\"\nversion = \"1.0.0\"\nbinary = \"fake\"\n")
	h.Write("store/portless/1.0.0/package.toml", "binary = \"fake\"\n[service]\nstart = \"fake\"\n")
	h.Write("store/data/1.0.0/package.toml", "[service]\nport = 9200\n")
	h.Write("modules/Upper.json", "{}")
	h.Write("modules/kv-.json", "{}")
	other.Install("kv", Behaviour{})
	d := startLazily(t, h)
	if err := os.Symlink("/nonexistent/kv.json", h.Dir+"/modules/linked.json"); err != nil {
		t.Fatal(err)
	}
	ours, definition := "ZR_HOME="+h.Dir, "/VERSION/package.toml in the daemon's home (from here, "+h.Dir+") needs "
	for _, row := range []struct{ home, args, hint string }{
		{ours, "start Upper", "hint: " + nameRule},
		{ours, "start kv-", "hint: " + nameRule},
		{ours, "start linked", ""}, // the error of the daemon is enough
		{"ZR_HOME=" + other.Dir, "start kv", "hint: " + other.Dir + "/modules/kv.json is there, but the daemon's home is another: it is what its -home or $ZR_HOME says"},
		{ours, "start library", "hint: store/library" + definition + "a section [service] with port = NUMBER"},
		{ours, "start portless", "hint: store/portless" + definition + "port = NUMBER below [service]"},
		{ours, "restart data", "hint: store/data" + definition + `binary = "PROGRAM" above [service]`},
		{ours, "stop lsited", "hint: lsited was not running; there is no " + h.Dir + "/modules/lsited.json"},
		{ours, "stop listed", ""},
		{"ZR_HOME=" + h.Dir + "/nothing", "stop lsited", ""}, // it may be in the home of the daemon
		{ours, "-o table status Upper", "Upper is not running; " + nameRule},
		{ours, "-o table status lsited", "lsited is not running; there is no " + h.Dir + "/modules/lsited.json"},
		{"ZR_HOME=" + h.Dir + "/nothing", "-o table status lsited", "lsited is not running; if it is installed, start it with: zrctl start lsited"},
	} {
		got := untilHint(row.hint, func() result { return d.CtlWith(row.home, strings.Fields(row.args)...) })
		want(t, row.home+" zrctl "+row.args, strings.TrimSuffix(got.errs, "\n"), row.hint)
	}
	d.Start("listed")
	want(t, "stop of a service in another home", d.CtlWith("ZR_HOME="+other.Dir, "stop", "listed").errs, "")
}

// A hint names the home that a daemon would use with this environment.
func TestHomeInAHint(t *testing.T) {
	t.Parallel()
	d := startDaemon(t, newHome(t))
	for home, env := range map[string][]string{
		" (from here, /srv/zr)":      {"HOME=/home/zr", "ZR_HOME=/srv/zr"},
		" (from here, /home/zr/.zr)": {"HOME=/home/zr"},
		"":                           {"NOTHING="},
	} {
		var errs strings.Builder
		cmd := exec.Command(zrctlPath, "-addr", d.Addr, "start", "nobody")
		cmd.Env, cmd.Stderr = env, &errs
		cmd.Run()
		if !strings.HasSuffix(errs.String(), "or ~/.zr"+home+"\n") {
			t.Errorf("with %q: %s", env, errs.String())
		}
	}
}

// wantNoDaemon wants exit status 3 and a line that says what to do.
func wantNoDaemon(t *testing.T, got result, addr string) {
	t.Helper()
	wantResult(t, "without a daemon", got, result{"", "error: no daemon on " + addr +
		": connect: connection refused; start one with zrd, or say where it listens with -addr or $ZRD_ADDR\n", 3})
}

// -addr wins over $ZRD_ADDR, and both over the default.
func TestAddressOfTheDaemon(t *testing.T) {
	t.Parallel()
	d := startDaemon(t, newHome(t))
	nobody := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	for _, row := range []struct {
		variable string
		args     []string
		exit     int
	}{
		{d.Addr, []string{"ping"}, 0},
		{nobody, []string{"ping"}, 3},
		{nobody, []string{"-addr", d.Addr, "ping"}, 0},
		{nobody, []string{"ping", "-addr", d.Addr}, 0},
		{nobody, []string{"--addr=" + d.Addr, "ping"}, 0},
		{d.Addr, []string{"-addr", nobody, "ping"}, 3},
	} {
		cmd := exec.Command(zrctlPath, row.args...)
		cmd.Env = append(os.Environ(), "ZRD_ADDR="+row.variable)
		if got := run(t, cmd); got.exit != row.exit {
			t.Errorf("ZRD_ADDR=%s zrctl %q: %+v, want exit status %d", row.variable, row.args, got, row.exit)
		}
	}
}

// $ZRCTL_FORMAT is the default of -o.
func TestFormatVariable(t *testing.T) {
	t.Parallel()
	d := startDaemon(t, newHome(t))
	table := "the daemon on " + d.Addr + " answers\n"
	wantResult(t, "ping", d.CtlWith("ZRCTL_FORMAT=table", "ping"), result{table, "", 0})
	wantResult(t, "ping", d.CtlWith("ZRCTL_FORMAT=", "ping"), result{okLine, "", 0})
	wantResult(t, "ping", d.CtlWith("ZRCTL_FORMAT=table", "-o", "json", "ping"), result{okLine, "", 0})
	wantResult(t, "ping", d.CtlWith("ZRCTL_FORMAT=json", "-o", "table", "ping"), result{table, "", 0})
	wantResult(t, "ping", d.CtlWith("ZRCTL_FORMAT=xml", "ping"),
		result{"", `error: -o or $ZRCTL_FORMAT: "xml" is neither json nor table; see zrctl -h` + "\n", 2})
}

// A usage error is on standard error, with exit status 2. Nothing is sent: without a daemon, that
// would exit with 3.
func TestUsageErrorsOfTheClient(t *testing.T) {
	t.Parallel()
	nobody := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	for args, why := range map[string]string{
		"":                           "no command",
		"-v":                         "no command",
		"frobnicate":                 `unknown command "frobnicate": it is one of ping, status, start, stop, restart, shutdown, completion, help and version`,
		"START kv":                   `unknown command "START": it is one of ping, status, start, stop, restart, shutdown, completion, help and version`,
		"start":                      "start needs a name, as in: zrctl start kv",
		"stop":                       "stop needs a name, as in: zrctl stop kv web",
		"ping kv":                    "ping takes no name",
		"shutdown now":               "shutdown takes no name",
		"start kv -x":                "flag provided but not defined: -x",
		"-x start kv":                "flag provided but not defined: -x",
		"ping -timeout":              "flag needs an argument: -timeout",
		"-timeout 0 ping":            "-timeout 0s is no time at all",
		"-timeout -1s ping":          "-timeout -1s is no time at all",
		"-timeout soon ping":         `invalid value "soon" for flag -timeout: not a time with its unit, as in 30s or 2m`,
		"-timeout 5 ping":            `invalid value "5" for flag -timeout: not a time with its unit, as in 30s or 2m`,
		"-o yaml status":             `-o or $ZRCTL_FORMAT: "yaml" is neither json nor table`,
		"restart":                    "restart needs a name, as in: zrctl restart kv",
		"completion":                 "completion needs a shell, as in: zrctl completion bash",
		"completion tcsh":            "completion takes one of bash, fish and zsh",
		"completion bash zsh":        "completion takes one of bash, fish and zsh",
		"status -watch=1":            `invalid boolean value "1" for -watch: it takes no value`,
		"ping -v":                    "-v and -watch go with status",
		"start kv -watch":            "-v and -watch go with status",
		"-addr 127.0.0.1:99999 ping": `-addr or $ZRD_ADDR: "127.0.0.1:99999" is not HOST:PORT, as in 127.0.0.1:19100`,
		"-addr localhost ping":       `-addr or $ZRD_ADDR: "localhost" is not HOST:PORT, as in 127.0.0.1:19100`,
	} {
		words := append([]string{"-addr", nobody}, strings.Fields(args)...)
		wantResult(t, args, ctl(t, words...), result{"", "error: " + why + "; see zrctl -h\n", 2})
	}
	wantResult(t, "start ''", ctl(t, "-addr", nobody, "start", "kv", ""), result{"", "error: an empty name; see zrctl -h\n", 2})
}

// Help is on standard output, with an example of each command.
func TestUsageOfTheClient(t *testing.T) {
	t.Parallel()
	wanted := ctl(t, "-h")
	for _, args := range []string{"--help", "-help", "help", "help start", "start -h", "-v help"} {
		wantResult(t, args, ctl(t, strings.Fields(args)...), wanted)
	}
	if wanted.exit != 0 || wanted.errs != "" {
		t.Errorf("zrctl -h: %q", wanted)
	}
	for _, words := range []string{"  zrctl ping\n", "  zrctl status", "  zrctl start kv\n", "  zrctl stop kv", "  zrctl restart kv\n", "  zrctl shutdown\n",
		"-addr", "$ZRD_ADDR", "127.0.0.1:19100", "-timeout", "30s", "Exit status: 0"} {
		if !strings.Contains(wanted.out, words) {
			t.Errorf("zrctl -h does not show %q", words)
		}
	}
}
