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

// cgroups is the folder of one zrd, below the cgroup in which zrd was started. zrd holds a lock
// (flock) on it, which the kernel releases when zrd dies. So a folder that can be locked belongs to
// no living zrd.
type cgroups struct {
	dir  string
	lock *os.File
	log  func(format string, args ...any)
}

// folderPattern names the folders of zrd, with digits for the star. The name is long because a
// folder of this name without a lock is taken for a dead zrd's.
const folderPattern = "zrd-services-*"

// cleanTimeout bounds how long a new zrd waits for the processes of a killed one to end.
const cleanTimeout = 5 * time.Second

// Contain makes Start run every process in its own cgroup, after it has ended the processes that a
// killed zrd left in the same place. It returns the folder, or why there are process groups only.
// Call it before the first Start.
func (s *Starter) Contain(log func(format string, args ...any)) (dir string, err error) {
	parent, err := ownCgroup()
	if err != nil {
		return "", err
	}
	removeStale(parent)
	if s.cgroups, err = newCgroups(parent, log); err != nil {
		return "", err
	}
	return s.cgroups.dir, nil
}

// Close removes the folder of Contain. Call it when all processes have ended.
func (s *Starter) Close() {
	if s.cgroups != nil {
		s.cgroups.close()
	}
}

// ownCgroup returns the cgroup folder of this process. Its error says why this process cannot make
// cgroups below it.
func ownCgroup() (string, error) {
	membership, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return "", err
	}
	mounts, _ := os.ReadFile("/proc/self/mountinfo") // the next step fails without it
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

// cgroupDir returns the cgroup folder of a process from its /proc/PID/cgroup and mountinfo.
func cgroupDir(membership, mounts string) (string, error) {
	_, path, found := strings.Cut("\n"+membership, "\n0::")
	if !found {
		return "", errors.New("no cgroup v2")
	}
	path, _, _ = strings.Cut(path, "\n")
	for line := range strings.Lines(mounts) {
		// number, parent, device, root, mount point, options, … - type, source, options
		mount, kind, _ := strings.Cut(line, " - ")
		fields := strings.Fields(mount)
		if !strings.HasPrefix(kind, "cgroup2 ") || len(fields) < 5 {
			continue
		}
		below, err := filepath.Rel(unescape(fields[3]), path)
		outside := strings.HasPrefix(path, "/..") // of this cgroup namespace
		if err == nil && !outside && filepath.IsLocal(below) {
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

func newCgroups(parent string, log func(format string, args ...any)) (*cgroups, error) {
	for range 10 {
		dir, err := os.MkdirTemp(parent, folderPattern)
		if err != nil {
			return nil, err
		}
		lock, err := lockDir(dir)
		if err != nil { // most likely another zrd found the folder first, and removes it as stale
			os.Remove(dir)
			continue
		}
		c := &cgroups{dir, lock, log}
		if err := c.try(); err != nil {
			c.close()
			return nil, err
		}
		return c, nil
	}
	return nil, errors.New("no folder could be locked")
}

// try makes and removes a cgroup, to find at the start what makes that impossible.
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

// lockDir locks a folder. It fails if another process has the lock or the folder was removed.
func lockDir(dir string) (*os.File, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	if err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err == nil {
		if _, err = os.Stat(dir); err == nil {
			return f, nil
		}
	}
	f.Close()
	return nil, err
}

// removeStale ends the processes that dead zrds left behind, and removes their folders.
func removeStale(parent string) {
	dirs, _ := filepath.Glob(filepath.Join(parent, strings.ReplaceAll(folderPattern, "*", "[0-9]*")))
	limit := time.Now().Add(cleanTimeout)
	for _, dir := range dirs {
		lock, err := lockDir(dir)
		if err != nil {
			continue // it belongs to a living zrd or another user
		}
		for g := (&cgroup{dir: dir}); !g.ended() && time.Now().Before(limit); {
			time.Sleep(time.Millisecond)
		}
		removeTree(dir)
		lock.Close()
	}
}

// removeTree removes a cgroup and the cgroups below it. None may have a process.
func removeTree(dir string) {
	for _, dir := range slices.Backward(tree(dir)) {
		os.Remove(dir)
	}
}

// tree returns a folder and the folders below it; parents come first.
func tree(dir string) (dirs []string) {
	filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			dirs = append(dirs, path)
		}
		return nil
	})
	return dirs
}

// start makes run start a process in a new cgroup for the service. If that is impossible, because
// of a limit on cgroups or an old kernel, the process runs without one, and the log says so. A
// shortage that passes is an error. If c is nil, there are no cgroups.
func (c *cgroups) start(name string, run func(*syscall.SysProcAttr) (*os.Process, error)) (
	*os.Process, *cgroup, error,
) {
	if c != nil {
		g, err := c.create(name)
		if err == nil {
			var leader *os.Process
			leader, err = run(&syscall.SysProcAttr{UseCgroupFD: true, CgroupFD: int(g.fd.Fd())})
			g.fd.Close()
			if err == nil {
				return leader, g, nil
			}
			g.remove()
			if errors.Is(err, syscall.EAGAIN) {
				return nil, nil, err
			}
		}
		if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) ||
			errors.Is(err, syscall.ENOMEM) {
			return nil, nil, err
		}
		c.log("service '%s' is not contained by a cgroup: %v", name, err)
	}
	leader, err := run(&syscall.SysProcAttr{})
	return leader, nil, err
}

// A cgroup contains the processes of one service. A nil *cgroup stands for a service without one.
type cgroup struct {
	dir string
	fd  *os.File // open only while a process is started in it
}

// create makes the cgroup of a service. The kernel's files have a dot in their names, packages have
// none.
func (c *cgroups) create(name string) (*cgroup, error) {
	g := &cgroup{dir: filepath.Join(c.dir, name)}
	err := os.Mkdir(g.dir, 0o755)
	if err == nil || errors.Is(err, fs.ErrExist) { // the last run's could not be removed
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

// populated reports whether the cgroup, or one below it, has a process. If that cannot be read, for
// lack of descriptors, it says yes: a service must not count as ended while it may still run.
func (g *cgroup) populated() bool {
	events, err := os.ReadFile(filepath.Join(g.dir, "cgroup.events"))
	removed := errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENODEV)
	return !removed && (err != nil || bytes.Contains(events, []byte("populated 1")))
}

// ended reports whether the cgroup has no process, and sends SIGKILL to those that it has.
func (g *cgroup) ended() bool {
	if g == nil || !g.populated() {
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

// processes returns the ids of the processes in the cgroup and below it.
func (g *cgroup) processes() (pids []int) {
	if g == nil {
		return nil
	}
	for _, dir := range tree(g.dir) {
		text, _ := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
		for _, field := range strings.Fields(string(text)) {
			pid, _ := strconv.Atoi(field)
			pids = append(pids, pid)
		}
	}
	return pids
}

// Count returns how many processes the service has, or 0 if it has no cgroup.
func (p *Process) Count() int { return len(p.cgroup.processes()) }
