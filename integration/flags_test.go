//go:build unix

package integration

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// A usage error is one line, exit status 2, and no listener.
func TestUsageErrorsOfTheDaemon(t *testing.T) {
	t.Parallel()
	home := t.TempDir()
	for _, row := range []struct {
		args []string
		why  string
	}{
		{[]string{"-addr", "0.0.0.0:0"}, "error: -addr 0.0.0.0:0 is not a loopback address: the protocol has no login, so the daemon listens on this machine only; see zrd -h\n"},
		{[]string{"-addr", ":0"}, "error: -addr :0 is not a loopback address: the protocol has no login, so the daemon listens on this machine only; see zrd -h\n"},
		{[]string{"-addr", "[::]:0"}, "error: -addr [::]:0 is not a loopback address: the protocol has no login, so the daemon listens on this machine only; see zrd -h\n"},
		{[]string{"-addr", "192.0.2.1:19100"}, "error: -addr 192.0.2.1:19100 is not a loopback address: the protocol has no login, so the daemon listens on this machine only; see zrd -h\n"},
		{[]string{"-addr", "127.0.0.1"}, "error: -addr 127.0.0.1: address 127.0.0.1: missing port in address; see zrd -h\n"},
		{[]string{"-addr", "127.0.0.1:65536"}, "error: -addr 127.0.0.1:65536: address 65536: invalid port; see zrd -h\n"},
		{[]string{"-addr", ""}, "error: "},
		{[]string{"-health-interval", "0"}, "error: -health-interval 0s is too short; see zrd -h\n"},
		{[]string{"-health-interval", "-1s"}, "error: -health-interval -1s is too short; see zrd -h\n"},
		{[]string{"-health-interval", "soon"}, `error: invalid value "soon" for flag -health-interval: `},
		{[]string{"-allow", "nobody-of-that-name"}, `error: -allow nobody-of-that-name: `},
		{[]string{"-nonsense"}, "error: flag provided but not defined: -nonsense; see zrd -h\n"},
		{[]string{"-addr"}, "error: flag needs an argument: -addr; see zrd -h\n"},
		{[]string{"-demo"}, "error: -demo has a home of its own; see zrd -h\n"},
		{[]string{"-service-stdout=file"}, `error: `},
		{[]string{"-service-log", ""}, `error: invalid value "" for flag -service-log: it names no folder; see zrd -h` + "\n"},
		{[]string{"-service-log", "/proc/nowhere"}, `error: invalid value "/proc/nowhere" for flag -service-log: `},
		{[]string{"-\x1b[31m"}, `error: flag provided but not defined: -\x1b[31m; see zrd -h` + "\n"},
		{[]string{"extra"}, `error: unexpected argument "extra": zrd takes flags only; see zrd -h` + "\n"},
		{[]string{"-addr", "127.0.0.1:0", "start", "kv"}, `error: unexpected argument "start": zrd takes flags only; see zrd -h` + "\n"},
	} {
		got := run(t, exec.Command(zrdPath, append([]string{"-home", home}, row.args...)...))
		if got.exit != 2 || got.out != "" || strings.Count(got.errs, "\n") != 1 || !strings.HasPrefix(got.errs, row.why) {
			t.Errorf("zrd %q:\n got %+v\nwant %q", row.args, got, row.why)
		}
	}
}

// -home wins over $ZR_HOME, which wins over ~/.zr.
func TestWhichHome(t *testing.T) {
	t.Parallel()
	user, variable, given := newHome(t), newHome(t), newHome(t)
	dotZr := &Home{t, filepath.Join(user.Dir, ".zr")}
	ports := map[*Home]int{}
	for _, h := range []*Home{dotZr, variable, given} {
		ports[h] = h.Install("kv", Behaviour{})
	}
	for _, row := range []struct {
		what string
		home *Home
		env  []string
		args []string
	}{
		{"~/.zr", dotZr, nil, nil},
		{"~/.zr with an empty variable", dotZr, []string{"ZR_HOME="}, nil},
		{"$ZR_HOME", variable, []string{"ZR_HOME=" + variable.Dir}, nil},
		{"-home", given, []string{"ZR_HOME=" + variable.Dir}, []string{"-home", given.Dir}},
	} {
		t.Run(row.what, func(t *testing.T) {
			cmd := exec.Command(zrdPath, append([]string{"-addr", "127.0.0.1:0"}, row.args...)...)
			cmd.Env = append(without(os.Environ(), "ZR_HOME"), append(row.env, "HOME="+user.Dir)...)
			d := startCommand(t, row.home, cmd)
			d.MustStart("kv", ports[row.home])
			d.MustStop("kv")
		})
	}
}

// A relative home begins in the folder in which the daemon was started.
func TestRelativeHome(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	port := h.Install("kv", Behaviour{})
	cmd := exec.Command(zrdPath, "-home", filepath.Base(h.Dir), "-addr", "127.0.0.1:0")
	cmd.Dir = filepath.Dir(h.Dir)
	d := startCommand(t, h, cmd)
	d.MustStart("kv", port)
}

func without(env []string, name string) []string {
	var rest []string
	for _, v := range env {
		if !strings.HasPrefix(v, name+"=") {
			rest = append(rest, v)
		}
	}
	return rest
}

// The daemon takes any loopback address. It finds a port for 0, and logs it.
func TestLoopbackAddresses(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	for _, host := range []string{"127.0.0.1", "localhost", "127.0.0.3", "::1"} {
		l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
		if err != nil {
			t.Logf("cannot try %s: %v", host, err)
			continue
		}
		l.Close()
		d := startCommand(t, h, exec.Command(zrdPath, "-home", h.Dir, "-addr", net.JoinHostPort(host, "0")))
		ip, port, err := net.SplitHostPort(d.Addr)
		if err != nil || !net.ParseIP(ip).IsLoopback() || port == "0" {
			t.Errorf("-addr %s: listening on %q", host, d.Addr)
		}
		want(t, "ping on "+d.Addr, d.Ask(`{"request":"ping"}`), okLine)
		wantResult(t, "ping", d.Ctl("ping"), result{okLine, "", 0})
	}
}
