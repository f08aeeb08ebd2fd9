package integration

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// plainService starts a service and returns its process. The program is not written in Go, whose
// runtime would change what the daemon gave it. It never gets healthy.
func plainService(t *testing.T, d *Daemon) int {
	t.Helper()
	if _, err := exec.LookPath("sleep"); err != nil {
		t.Skip("no sleep(1): ", err)
	}
	d.Home.InstallScript("plain", "#!/bin/sh\nexec sleep 60\n")
	go d.Ctl("start", "plain")
	pid := 0
	eventually(t, "the plain service", func() bool {
		pid = d.Details("plain").PID
		comm, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
		return pid != 0 && string(comm) == "sleep\n"
	})
	return pid
}

// A service inherits no signals, descriptors or process group, whatever the daemon inherited.
func TestWhatAServiceInherits(t *testing.T) {
	t.Parallel()
	for name, command := range map[string][]string{
		"good parent": {zrdPath},
		"bad parent":  {fakePath, "with", "bad-parent", strconv.Itoa(os.Getuid()), zrdPath},
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
				t.Errorf("process %d is in group %d (%v), want its own", pid, group, err)
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

// wantThreeFiles waits until a service has only the null device twice and the daemon's standard
// error. The loader may still have a library open.
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

// A service has the environment of the daemon, without the variables that its manager set for it
// alone.
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

// A service writes to the standard error of the daemon, and not through a pipe.
func TestStandardErrorOfAService(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.InstallScript("loud", "#!/bin/sh\necho on standard output\necho \"on standard error: $0 $*\" >&2\nexit 4\n")
	d := startDaemon(t, h)
	want(t, "start", d.Start("loud"), errorLine("service 'loud' exited before it was healthy: exit status 4"))
	d.WaitLog(fmt.Sprintf("on standard error: %s --listen=:", filepath.Join(h.folder("loud"), "serve")))
	if strings.Contains(d.Log.String(), "on standard output") {
		t.Error("standard output is in the log")
	}
}

// A service has the daemon's standard output only with -service-stdout=inherit.
func TestServiceStdout(t *testing.T) {
	t.Parallel()
	for option, wanted := range map[string]string{"": "", "-service-stdout=null": "", "-service-stdout=inherit": "hello\n"} {
		h := newHome(t)
		out, err := os.Create(filepath.Join(t.TempDir(), "out"))
		if err != nil {
			t.Fatal(err)
		}
		defer out.Close()
		cmd := daemonCommand(h, strings.Fields(option)...)
		cmd.Stdout = out
		startCommand(t, h, cmd).MustStart("kv", h.Install("kv", Behaviour{Say: "hello"}))
		want(t, "standard output with "+option, readFile(t, out.Name()), wanted)
	}
}
