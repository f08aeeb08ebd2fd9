//go:build linux

package integration

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// dialAs connects as another user, from the address local unless it is nil. A socket belongs to the
// file-system user of the thread that makes it.
func dialAs(t *testing.T, name, addr string, local net.Addr) (*net.TCPConn, error) {
	t.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	syscall.Setfsuid(uidOf(t, name))
	defer syscall.Setfsuid(os.Geteuid())
	dialer := net.Dialer{LocalAddr: local}
	conn, err := dialer.DialContext(context.Background(), "tcp", addr)
	if err != nil {
		return nil, err
	}
	conn.SetDeadline(time.Now().Add(limit))
	return conn.(*net.TCPConn), nil
}

// uidOf returns the id of a user. Only root can act for another user.
func uidOf(t *testing.T, name string) int {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can speak as another user")
	}
	u, err := user.Lookup(name)
	if err != nil {
		t.Skipf("no second user: %v", err)
	}
	uid, _ := strconv.Atoi(u.Uid)
	return uid
}

// pause stops the daemon until the returned function is called.
func (d *Daemon) pause() (resume func()) {
	d.t.Helper()
	d.Signal(syscall.SIGSTOP)
	eventually(d.t, "the daemon to stop", func() bool {
		threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", d.Pid()))
		for _, thread := range threads {
			stat, _ := os.ReadFile(thread)
			if !strings.Contains(string(stat), ") T ") {
				return false
			}
		}
		return len(threads) > 0
	})
	return func() { d.Signal(syscall.SIGCONT) }
}

// A second user sends a request and hangs up before the daemon looks. The next connection from that
// port is root's. The request is refused all the same.
func TestReusedPortIsNotRoot(t *testing.T) {
	t.Parallel()
	uidOf(t, nobody)
	for name, reset := range map[string]bool{"reset": true, "closed": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := newHome(t)
			port := h.Install("kv", Behaviour{})
			d := startDaemon(t, h)
			d.MustStart("kv", port)
			from := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: freePort(t)}
			defer d.pause()()
			conn, err := dialAs(t, nobody, d.Addr, from)
			if err != nil {
				t.Fatal(err)
			}
			io.WriteString(conn, `{"request":"stop-service","name":"kv"}`+"\n")
			if reset {
				conn.SetLinger(0)
			}
			conn.Close()
			// A child that another test forks has the connection too until it executes its program.
			eventually(t, "the port of the connection that was reset", func() bool {
				conn, err = dialAs(t, "root", d.Addr, from)
				return err == nil || !reset
			})
			if err == nil {
				defer conn.Close()
				io.WriteString(conn, `{"request":"ping"}`+"\n")
			}
			d.Signal(syscall.SIGCONT)
			if err == nil {
				reply, err := io.ReadAll(conn)
				want(t, fmt.Sprintf("root's ping (%v)", err), string(reply), okLine)
			}
			d.MustPing()
			d.WaitLog("daemon: connection error: permission denied: ") // for the user, or for a client that has closed
			d.checkOnly(t, "kv", port)
		})
	}
}

// Thousands of connections of a second user do not delay root. Those that wait for a reply get a
// refusal.
func TestOtherUsersDoNotDelayRoot(t *testing.T) {
	t.Parallel()
	uidOf(t, nobody)
	for name, attack := range map[string]func(*testing.T, *Daemon, time.Time){"silent": holdAsNobody, "asking": pingAsNobody, "endless": sendAsNobody} {
		t.Run(name, func(t *testing.T) { // not in parallel, because each needs thousands of descriptors
			d := startDaemon(t, newHome(t))
			pings := startPings(d)
			attack(t, d, time.Now().Add(floodTime))
			times := pings.stop(10)
			median, worst := times[len(times)/2], times[len(times)-1]
			t.Logf("%d pings of root's: median %v, worst %v", len(times), median, worst)
			if median > 10*time.Second {
				t.Errorf("the median ping of root took %v", median)
			}
		})
	}
}

// holdAsNobody holds thousands of silent connections.
func holdAsNobody(t *testing.T, d *Daemon, _ time.Time) {
	workers(32, crowdSize(t)*4/5, func(int) {
		if conn, err := dialAs(t, nobody, d.Addr, nil); err == nil {
			t.Cleanup(func() { conn.Close() })
		}
	})
}

// pingAsNobody pings until end.
func pingAsNobody(t *testing.T, d *Daemon, end time.Time) {
	refusal := denied(t, nobody)
	together(32, func(int) {
		for time.Now().Before(end) {
			conn, err := dialAs(t, nobody, d.Addr, nil)
			if err != nil {
				continue
			}
			io.WriteString(conn, `{"request":"ping"}`+"\n")
			if reply, err := io.ReadAll(conn); err == nil {
				want(t, "the reply to a second user", string(reply), refusal)
			}
			conn.Close()
		}
	})
}

// sendAsNobody sends lines without end, until end.
func sendAsNobody(t *testing.T, d *Daemon, end time.Time) {
	piece := []byte(strings.Repeat("x", 16<<10))
	together(32, func(int) {
		for time.Now().Before(end) {
			conn, err := dialAs(t, nobody, d.Addr, nil)
			for err == nil && time.Now().Before(end) {
				_, err = conn.Write(piece)
			}
			if conn != nil {
				conn.Close()
			}
		}
	})
}

// All users that a user namespace does not know have one number there. zrd denies it, even if it is
// its own.
func TestUnknownUserIsDenied(t *testing.T) {
	t.Parallel()
	const overflow = 65534
	h := newHome(t)
	cmd := daemonCommand(h, "-allow", strconv.Itoa(overflow))
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: overflow, HostID: uidOf(t, stranger), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: overflow, HostID: uidOf(t, stranger), Size: 1}},
		Credential:  &syscall.Credential{Uid: overflow, Gid: overflow, NoSetGroups: true},
	}
	if err := exec.Command("unshare", "-U", "true").Run(); err != nil {
		t.Skip("this system gives no user namespaces: ", err)
	}
	d := startCommand(t, h, cmd)
	for _, name := range []string{nobody, "root"} {
		conn, err := dialAs(t, name, d.Addr, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		io.WriteString(conn, `{"request":"shutdown"}`+"\n")
		reply, err := io.ReadAll(conn)
		want(t, fmt.Sprintf("the reply to %s (%v)", name, err), string(reply),
			errorLine("permission denied: cannot tell who is asking: user 65534 stands for every user that is unknown in zrd's user namespace (zrd -allow any serves everybody on this machine)"))
	}
}

// A socket of another network namespace is an error that says what to do, unless -allow any is set.
func TestSocketOfAnotherNetwork(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	file, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, err := syscall.GetsockoptIPMreq(int(file.Fd()), syscall.SOL_SOCKET, 71); err != nil {
		t.Skip("this kernel does not tell network namespaces apart: ", err)
	}
	h := newHome(t)
	activated := func(args ...string) *exec.Cmd {
		script := `LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"`
		cmd := exec.Command("sh", slices.Concat([]string{"-c", script, "sh", zrdPath, "-home", h.Dir}, args)...)
		cmd.ExtraFiles = []*os.File{file}
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET}
		if os.Geteuid() != 0 {
			cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
			cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: os.Geteuid(), HostID: os.Geteuid(), Size: 1}}
		}
		return cmd
	}
	if err := activated("-version").Run(); err != nil {
		t.Skip("this system gives no network namespaces: ", err)
	}
	d := launch(t, h, activated())
	d.WaitExit(1)
	<-d.mute
	if !strings.HasPrefix(d.Log.String(), "error: the socket that the manager handed over belongs to another network namespace") {
		t.Errorf("the log is %q", d.Log)
	}
	d = startCommand(t, h, activated("-allow", "any"))
	d.MustPing()
}

// The log says once who asked for the end.
func TestLogSaysWhoEndsIt(t *testing.T) {
	t.Parallel()
	request := fmt.Sprintf("daemon: shutdown requested by user %d\n", os.Geteuid())
	for name, row := range map[string]struct {
		end  func(d *Daemon)
		says string
	}{
		"SIGTERM":        {func(d *Daemon) { d.Signal(syscall.SIGTERM) }, "daemon: SIGTERM\n"},
		"SIGINT":         {func(d *Daemon) { d.Signal(syscall.SIGINT) }, "daemon: SIGINT\n"},
		"two requests":   {func(d *Daemon) { askShutdown(d, connect(d, 2)) }, request},
		"with allow any": {func(d *Daemon) { askShutdown(d, connect(d, 1)) }, request},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var args []string
			if name == "with allow any" {
				args = []string{"-allow", "any"}
			}
			d := startDaemon(t, newHome(t), args...)
			row.end(d)
			d.WaitExit(0)
			<-d.mute
			if n := strings.Count(d.Log.String(), row.says); n != 1 {
				t.Errorf("%q is in the log %d times:\n%s", row.says, n, d.Log)
			}
		})
	}
}
