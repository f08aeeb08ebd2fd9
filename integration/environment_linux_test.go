package integration

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// plainService starts a service that is a program without a runtime of its own, which would change what it was
// given, and returns its process. It never gets healthy.
func plainService(t *testing.T, d *Daemon) int {
	t.Helper()
	if _, err := exec.LookPath("sleep"); err != nil {
		t.Skip("no sleep(1): ", err)
	}
	d.Home.Install("plain", Behaviour{})
	replace(t, filepath.Join(d.Home.folder("plain"), "fake"), "#!/bin/sh\nexec sleep 60\n", 0o755)
	go d.Ctl("start", "plain")
	pid := 0
	eventually(t, "the plain service", func() bool {
		pid = d.Details("plain").PID
		comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
		return pid != 0 && string(comm) == "sleep\n"
	})
	return pid
}

// Whatever the daemon was given by its parent, a service starts clean.
func TestWhatAServiceInherits(t *testing.T) {
	t.Parallel()
	for name, command := range map[string][]string{
		"from a good parent":     {zrdPath},
		"from a careless parent": {fakePath, "careless", zrdPath},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHome(t)
			cmd := exec.Command(command[0], append(command[1:], "-home", h.Dir, "-addr", "127.0.0.1:0")...)
			input, err := os.Open(command[0]) // anything but the null device
			if err != nil {
				t.Fatal(err)
			}
			defer input.Close()
			cmd.Stdin = input
			d := startCommand(t, h, cmd)
			pid := plainService(t, d)
			wantNoSignals(t, pid)
			wantThreeFiles(t, pid, d.Pid())
			group, err := syscall.Getpgid(pid)
			if err != nil || group != pid {
				t.Errorf("process %d is in group %d (%v), want one of its own", pid, group, err)
			}
			d.MustStop("plain")
		})
	}
}

func wantNoSignals(t *testing.T, pid int) {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, mask := range []string{"SigBlk", "SigIgn"} {
		if line := "\n" + mask + ":\t0000000000000000\n"; !strings.Contains(string(status), line) {
			t.Errorf("the service has signals in %s:\n%s", mask, status)
		}
	}
}

// wantThreeFiles wants the null device twice, then the daemon's own standard error, and nothing beyond, as soon
// as the program has closed what it reads when it starts.
func wantThreeFiles(t *testing.T, pid, daemon int) {
	t.Helper()
	log, err := os.Readlink(fmt.Sprintf("/proc/%d/fd/2", daemon))
	if err != nil {
		t.Fatal(err)
	}
	good, files := []string{"0 /dev/null", "1 /dev/null", "2 " + log}, []string(nil)
	defer func() {
		if t.Failed() {
			t.Logf("the service has the files %q", files)
		}
	}()
	eventually(t, fmt.Sprintf("a service with no files but %q", good), func() bool {
		files = openFiles(t, pid)
		return slices.Equal(files, good)
	})
}

func openFiles(t *testing.T, pid int) (files []string) {
	t.Helper()
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		link, _ := os.Readlink(filepath.Join(dir, e.Name()))
		files = append(files, e.Name()+" "+link)
	}
	return files
}

// The environment is the daemon's, less what the daemon's manager meant for it alone.
func TestEnvironmentOfAService(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	port := h.Install("kv", Behaviour{})
	notify, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(plainDir(t), "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer notify.Close()
	passed := []string{"HOME=" + h.Dir, "EMPTY=", "TWICE=a=b\nc", "LISTEN_FDSX=1", "XNOTIFY_SOCKET=2", "PATH=" + os.Getenv("PATH"), runMark}
	cmd := daemonCommand(h)
	cmd.Env = append(slices.Clone(passed), "NOTIFY_SOCKET="+notify.LocalAddr().String(), "WATCHDOG_PID=1", "WATCHDOG_USEC=600000000",
		"LISTEN_PID=1", "LISTEN_PIDFDID=1", "LISTEN_FDS=1", "LISTEN_FDNAMES=zrd")
	d := startCommand(t, h, cmd)
	d.MustStart("kv", port)
	environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", h.Last("kv", "start")))
	if err != nil {
		t.Fatal(err)
	}
	got := strings.Split(strings.TrimSuffix(string(environ), "\x00"), "\x00")
	slices.Sort(got)
	slices.Sort(passed)
	if !slices.Equal(got, passed) {
		t.Errorf("the environment of the service:\n got %q\nwant %q", got, passed)
	}
}

// What a service says on standard error arrives where the daemon's log does, with no go-between.
func TestStandardErrorOfAService(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.Install("loud", Behaviour{})
	replace(t, filepath.Join(h.folder("loud"), "fake"), "#!/bin/sh\necho to nobody\necho \"loud and clear: $0 $*\" >&2\nexit 4\n", 0o755)
	d := startDaemon(t, h)
	want(t, "start", d.Start("loud"), errorLine("service 'loud' exited before it was healthy: exit status 4"))
	d.WaitLog(fmt.Sprintf("loud and clear: %s --listen=:", filepath.Join(h.folder("loud"), "fake")))
	if strings.Contains(d.Log.String(), "to nobody") {
		t.Error("standard output is not dropped")
	}
}
