package main

import (
	"bytes"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"unsafe"
)

// A thread that shall end must be the main thread, to which init still belongs.
func init() {
	if data, _ := os.ReadFile(filepath.Join(dir, "behave")); bytes.Contains(data, []byte(`"MainExits":true`)) {
		runtime.LockOSThread()
	}
}

// exitMainThread ends the calling thread but not the process, as pthread_exit does.
func exitMainThread() { syscall.Syscall(syscall.SYS_EXIT, 0, 0, 0) }

// hideFromOthers closes the files of this process in /proc to all users but root.
func hideFromOthers() {
	const setDumpable = 4 // PR_SET_DUMPABLE
	syscall.RawSyscall(syscall.SYS_PRCTL, setDumpable, 0, 0)
}

// with becomes a program that runs in a setting as a user. Only root may enter the settings except
// bad-parent, or become another user.
func with(setting, user string, argv []string) error {
	runtime.LockOSThread() // a setting is the thread's, which then becomes the program
	uid, err := strconv.Atoi(user)
	if err == nil {
		err = enter(setting)
	}
	if err == nil && uid != os.Getuid() {
		err = become(uid)
	}
	if err != nil {
		return err
	}
	return syscall.Exec(argv[0], argv, os.Environ())
}

const maxProcesses = 150

func enter(setting string) error {
	switch setting {
	case "bad-parent":
		return spoil()
	case "few-processes":
		return syscall.Setrlimit(limitNproc(), &syscall.Rlimit{Cur: maxProcesses, Max: maxProcesses})
	case "no-cgroups":
		return mount("tmpfs", "/sys/fs/cgroup", "")
	case "hidepid":
		return mount("proc", "/proc", "hidepid=2")
	}
	return fmt.Errorf("there is no setting %q", setting)
}

// mount mounts a file system that only this thread sees.
func mount(kind, path, options string) error {
	err := syscall.Unshare(syscall.CLONE_NEWNS)
	if err == nil {
		err = syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, "")
	}
	if err == nil {
		err = syscall.Mount(kind, path, kind, 0, options)
	}
	return err
}

func become(uid int) error {
	err := syscall.Setgroups(nil)
	if err == nil {
		err = syscall.Setgid(uid)
	}
	if err == nil {
		err = syscall.Setuid(uid)
	}
	return err
}

// spoil ignores signals, blocks all others, and leaves descriptors open.
func spoil() error {
	signal.Ignore(syscall.SIGHUP, syscall.SIGPIPE, syscall.SIGQUIT, syscall.SIGUSR2, syscall.SIGTERM, syscall.Signal(40))
	setMask, setSize, handler := signalSet()
	var action [8]uintptr
	action[handler] = 1 // SIG_IGN
	const cancel = 34   // which os/signal leaves alone
	syscall.RawSyscall6(syscall.SYS_RT_SIGACTION, cancel, uintptr(unsafe.Pointer(&action)), 0, setSize, 0, 0)
	all := [2]uint64{^uint64(0), ^uint64(0)}
	syscall.RawSyscall6(syscall.SYS_RT_SIGPROCMASK, setMask, uintptr(unsafe.Pointer(&all)), 0, setSize, 0, 0)
	for range 3 {
		syscall.Open("/dev/zero", syscall.O_RDWR, 0)
	}
	return syscall.Dup3(1, 99, 0)
}

// signalSet returns SIG_SETMASK, the size of the kernel's set of signals, and the index of the
// handler in its sigaction. MIPS has its own.
func signalSet() (setMask, size uintptr, handler int) {
	if strings.HasPrefix(runtime.GOARCH, "mips") {
		return 3, 16, 1
	}
	return 2, 8, 0
}

// limitNproc returns RLIMIT_NPROC.
func limitNproc() int {
	if strings.HasPrefix(runtime.GOARCH, "mips") {
		return 8
	}
	return 6
}
