package process

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCgroupDir(t *testing.T) {
	t.Parallel()
	const (
		unified = "30 22 0:27 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n"
		hybrid  = "30 22 0:27 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n31 30 0:28 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n40 30 0:37 / /sys/fs/cgroup/unified rw shared:9 - cgroup2 cgroup2 rw\n"
		below   = "30 22 0:27 /docker/1 /sys/fs/cgroup ro - cgroup2 cgroup rw\n"
		spaced  = "30 22 0:27 / /mnt/a\\040b rw - cgroup2 cgroup2 rw\n"
		old     = "31 30 0:28 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n"
	)
	for _, c := range []struct{ membership, mounts, want string }{
		{"0::/system.slice/zrd.service\n", unified, "/sys/fs/cgroup/system.slice/zrd.service"},
		{"4:memory:/a\n0::/\n", hybrid, "/sys/fs/cgroup/unified"},
		{"0::/docker/1/zrd\n", below, "/sys/fs/cgroup/zrd"},
		{"0::/docker/1\n", below, "/sys/fs/cgroup"},
		{"0::/docker/2\n", below, "error: cgroup v2 is not mounted where /docker/2 is"},
		{"0::/../other\n", unified, "error: cgroup v2 is not mounted where /../other is"},
		{"0::/x\n", spaced, "/mnt/a b/x"},
		{"0::/x\n", old, "error: cgroup v2 is not mounted where /x is"},
		{"4:memory:/a\n", old, "error: no cgroup v2"},
	} {
		got, err := cgroupDir(c.membership, c.mounts)
		if err != nil {
			got = "error: " + err.Error()
		}
		if got != c.want {
			t.Errorf("%q in %q: got %q, want %q", c.membership, c.mounts, got, c.want)
		}
	}
}

// contained returns a Starter with cgroups below a cgroup of the test.
func contained(t *testing.T) *Starter {
	t.Helper()
	parent, err := ownCgroup()
	if err != nil {
		t.Skipf("this process may not make cgroups: %v", err)
	}
	if parent, err = os.MkdirTemp(parent, "test-*"); err != nil {
		t.Skipf("this process may not make cgroups: %v", err)
	}
	t.Cleanup(func() {
		removeStale(parent)
		if err := os.Remove(parent); err != nil {
			t.Errorf("the folder of the test is not empty: %v", err)
		}
	})
	s := newStarter(nil)
	if s.cgroups, err = newCgroups(parent, t.Logf); err != nil {
		t.Skipf("no cgroups below %s: %v", parent, err)
	}
	return s
}

// A process that has left the group and the session ends with the service, and so does the cgroup.
func TestCgroupEndsWithTheService(t *testing.T) {
	t.Parallel()
	s := contained(t)
	for name, end := range map[string]func(*Process){
		"terminate": (*Process).Terminate, "kill": (*Process).Kill,
	} {
		path := filepath.Join(t.TempDir(), "note")
		c := command(os.Args[0], rolePrefix+"daemonizer", path)
		c.Name = name
		p, err := s.Start(c)
		if err != nil {
			t.Fatal(err)
		}
		pid := notedPid(t, path)
		if n := p.Count(); n != 2 {
			t.Errorf("Count is %d", n)
		}
		end(p)
		p.Wait()
		if alive(pid) {
			t.Errorf("%s: the process of another session lives", name)
		}
		if _, err := os.Stat(filepath.Join(s.cgroups.dir, name)); err == nil {
			t.Errorf("%s: the cgroup exists", name)
		}
	}
	s.Close()
}

// A new zrd ends the processes of a dead zrd, and not those of a living one.
func TestStaleCgroups(t *testing.T) {
	t.Parallel()
	s := contained(t)
	parent := filepath.Dir(s.cgroups.dir)
	path := filepath.Join(t.TempDir(), "note")
	p, err := s.Start(command(os.Args[0], rolePrefix+"sleep", path))
	if err != nil {
		t.Fatal(err)
	}
	pid := notedPid(t, path)
	removeStale(parent)
	if !alive(pid) {
		t.Fatal("a process of a living zrd was ended")
	}
	s.cgroups.lock.Close() // as the kernel does when zrd dies
	removeStale(parent)
	if how := p.Wait(); how != "signal: killed" {
		t.Errorf("a process of a dead zrd: %s", how)
	}
	if dirs, _ := filepath.Glob(filepath.Join(parent, folderPattern)); len(dirs) > 0 {
		t.Errorf("folders of dead zrds: %s", strings.Join(dirs, ", "))
	}
}

// A service runs even if its cgroup cannot be made.
func TestWithoutRoomForACgroup(t *testing.T) {
	t.Parallel()
	s := contained(t)
	if err := os.WriteFile(filepath.Join(s.cgroups.dir, "cgroup.max.descendants"), []byte("0"), 0); err != nil {
		t.Fatal(err)
	}
	p, err := s.Start(command(os.Args[0], rolePrefix+"exit", "3"))
	if err != nil {
		t.Fatal(err)
	}
	if n := p.Count(); n != 0 {
		t.Errorf("Count is %d", n)
	}
	wantExit(t, p, "exit status 3")
	s.Close()
}
