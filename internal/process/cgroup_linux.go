package process

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// cgroups is the folder of one zrd in the cgroup file system, below the folder in which it was
// started itself. Its name is random. As long as zrd lives it holds a lock (flock) on the folder,
// which the kernel releases when zrd dies: a folder that can be locked belongs to nobody.
type cgroups struct {
	dir  string
	lock *os.File
}

// folderPattern names the folders of zrd, with digits for the star. The name is long because a
// folder of this name that nobody has locked is taken for a dead zrd's.
const folderPattern = "zrd-services-*"

// cleanTimeout bounds how long a new zrd waits for what a killed one has left.
const cleanTimeout = 5 * time.Second

// Contain has every further process run in a cgroup of its own, after it has ended what a zrd that
// was killed has left in the same place. It returns the folder, or an error that says why there are
// process groups only. Call it before the first Start.
func (s *Starter) Contain() (dir string, err error) {
	parent, err := ownCgroup()
	if err != nil {
		return "", err
	}
	removeStale(parent)
	s.cgroups, err = newCgroups(parent)
	if err != nil {
		return "", err
	}
	return s.cgroups.dir, nil
}

// Close removes the folder of Contain. All processes have ended.
func (s *Starter) Close() {
	if s.cgroups != nil {
		s.cgroups.close()
	}
}

// ownCgroup returns the folder of this process in the cgroup2 file system, if it may make others
// there and start processes in them.
func ownCgroup() (string, error) {
	membership, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", err
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return "", err
	}
	dir, err := cgroupDir(string(membership), string(mounts))
	if err != nil {
		return "", err
	}
	own, err := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
	if err != nil || !slices.Contains(strings.Fields(string(own)), strconv.Itoa(os.Getpid())) {
		return "", fmt.Errorf("%s is not this process's cgroup", dir)
	}
	const writable = 2 // W_OK
	for _, path := range []string{dir, filepath.Join(dir, "cgroup.procs")} {
		if err := syscall.Access(path, writable); err != nil {
			return "", fmt.Errorf("%s: %w", path, err)
		}
	}
	return dir, nil
}

// cgroupDir finds the folder of a process from its /proc/PID/cgroup and mountinfo.
func cgroupDir(membership, mounts string) (string, error) {
	var path string
	for line := range strings.Lines(membership) {
		if rest, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "0::"); ok {
			path = rest
		}
	}
	if path == "" {
		return "", errors.New("no cgroup v2")
	}
	for line := range strings.Lines(mounts) {
		// number, parent, device, root, mount point, options, … - type, source, options
		mount, kind, _ := strings.Cut(line, " - ")
		fields := strings.Fields(mount)
		if !strings.HasPrefix(kind, "cgroup2 ") || len(fields) < 5 {
			continue
		}
		below, err := filepath.Rel(unescape(fields[3]), path)
		if err == nil && filepath.IsLocal(below) && !strings.HasPrefix(path, "/..") { // outside of this namespace
			return filepath.Join(unescape(fields[4]), below), nil
		}
	}
	return "", fmt.Errorf("cgroup v2 is not mounted where %s is", path)
}

// unescape undoes the octal escapes of mountinfo, as in "\040" for a space.
func unescape(path string) string {
	if s, err := strconv.Unquote(`"` + strings.ReplaceAll(path, `"`, `\"`) + `"`); err == nil {
		return s
	}
	return path
}

func newCgroups(parent string) (*cgroups, error) {
	for range 10 {
		dir, err := os.MkdirTemp(parent, folderPattern)
		if err != nil {
			return nil, err
		}
		lock, err := lockDir(dir)
		if err != nil {
			continue // another zrd took the folder for a stale one before it was locked
		}
		c := &cgroups{dir, lock}
		if err := c.try(); err != nil {
			c.close()
			return nil, err
		}
		return c, nil
	}
	return nil, errors.New("no folder could be locked")
}

// try makes the cgroup of a service, so that a limit on their depth is found at the start.
func (c *cgroups) try() error {
	g, err := c.create("try")
	if err != nil {
		return err
	}
	defer g.remove()
	g.fd.Close()
	if _, err = os.Stat(filepath.Join(g.dir, "cgroup.kill")); err != nil {
		return errors.New("this kernel has no cgroup.kill (Linux 5.14)")
	}
	return nil
}

func (c *cgroups) close() {
	removeTree(c.dir)
	c.lock.Close()
}

// lockDir locks a folder unless another process has it locked or it has been removed.
func lockDir(dir string) (*os.File, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		_, err = os.Stat(dir)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// removeStale ends everything in the folders of zrds that are gone, and removes these.
func removeStale(parent string) {
	dirs, _ := filepath.Glob(filepath.Join(parent, strings.ReplaceAll(folderPattern, "*", "[0-9]*")))
	limit := time.Now().Add(cleanTimeout)
	for _, dir := range dirs {
		lock, err := lockDir(dir)
		if err != nil {
			continue // of a living zrd, or another user's
		}
		for g := (&cgroup{dir: dir}); !g.ended() && time.Now().Before(limit); {
			time.Sleep(time.Millisecond)
		}
		removeTree(dir)
		lock.Close()
	}
}

// removeTree removes a cgroup and those below it, which must be empty.
func removeTree(dir string) {
	if os.Remove(dir) == nil {
		return
	}
	var dirs []string
	filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			dirs = append(dirs, path)
		}
		return nil
	})
	slices.Reverse(dirs)
	for _, dir := range dirs {
		os.Remove(dir)
	}
}

// start has run start a process in a new cgroup for the service. If that is impossible (a limit on
// their number, a kernel that cannot do it), it runs outside, as all do where there are none.
func (c *cgroups) start(name string, run func(*syscall.SysProcAttr) (*os.Process, error)) (*os.Process, *cgroup, error) {
	if c != nil {
		if g, err := c.create(name); err == nil {
			leader, err := run(&syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(g.fd.Fd())})
			g.fd.Close()
			if err == nil {
				return leader, g, nil
			}
			g.remove()
		}
	}
	leader, err := run(&syscall.SysProcAttr{})
	return leader, nil, err
}

// A cgroup contains the processes of one service. A nil *cgroup has none.
type cgroup struct {
	dir string
	fd  *os.File // only while a process is started in it
}

// create makes the cgroup of a service. The name of a package holds no dot, and so is none of the
// kernel's files.
func (c *cgroups) create(name string) (*cgroup, error) {
	g := &cgroup{dir: filepath.Join(c.dir, name)}
	err := os.Mkdir(g.dir, 0o755)
	if err == nil || errors.Is(err, fs.ErrExist) { // an empty one could not be removed
		g.fd, err = os.Open(g.dir)
	}
	return g, err
}

// kill sends SIGKILL to everything in the cgroup and below it.
func (g *cgroup) kill() {
	if g != nil {
		os.WriteFile(filepath.Join(g.dir, "cgroup.kill"), []byte("1"), 0)
	}
}

// populated reports whether a process is left.
func (g *cgroup) populated() bool {
	if g == nil {
		return false
	}
	events, err := os.ReadFile(filepath.Join(g.dir, "cgroup.events"))
	return err == nil && bytes.Contains(events, []byte("populated 1"))
}

// ended reports whether no process is left, and sends SIGKILL to those that are.
func (g *cgroup) ended() bool {
	if !g.populated() {
		return true
	}
	g.kill()
	return false
}

func (g *cgroup) remove() {
	if g != nil {
		removeTree(g.dir)
	}
}

// processes lists what is in the cgroup and below it.
func (g *cgroup) processes() (pids []int) {
	if g == nil {
		return nil
	}
	filepath.WalkDir(g.dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.Name() == "cgroup.procs" {
			text, _ := os.ReadFile(path)
			for _, field := range strings.Fields(string(text)) {
				pid, _ := strconv.Atoi(field)
				pids = append(pids, pid)
			}
		}
		return nil
	})
	return pids
}

// Count returns how many processes the service has, or 0 where no cgroup tells.
func (p *Process) Count() int { return len(p.cgroup.processes()) }
