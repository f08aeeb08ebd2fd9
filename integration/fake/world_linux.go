package main

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
)

// "fake in WORLD UID PROGRAM ARGS…" becomes PROGRAM in a world of its own, as the user with this number.
// Root only.
func init() {
	if len(os.Args) < 5 || os.Args[1] != "in" {
		return
	}
	runtime.LockOSThread()
	err := enter(os.Args[2])
	uid, _ := strconv.Atoi(os.Args[3])
	if err == nil && uid != 0 {
		err = become(uid)
	}
	if err == nil {
		err = syscall.Exec(os.Args[4], os.Args[4:], os.Environ())
	}
	fmt.Fprintln(os.Stderr, "fake:", err)
	os.Exit(97)
}

// fewProcesses is a limit on the threads of a user.
const fewProcesses = 150

func enter(world string) error {
	if world == "few-processes" {
		return syscall.Setrlimit(limitNproc(), &syscall.Rlimit{Cur: fewProcesses, Max: fewProcesses})
	}
	if err := syscall.Unshare(syscall.CLONE_NEWNS); err != nil {
		return err
	}
	if err := syscall.Mount("", "/", "", syscall.MS_REC|syscall.MS_PRIVATE, ""); err != nil {
		return err
	}
	switch world {
	case "no-cgroups":
		return syscall.Mount("tmpfs", "/sys/fs/cgroup", "tmpfs", 0, "")
	case "hidepid":
		return syscall.Mount("proc", "/proc", "proc", 0, "hidepid=2")
	}
	return fmt.Errorf("no world %q", world)
}

// limitNproc is RLIMIT_NPROC.
func limitNproc() int {
	if strings.HasPrefix(runtime.GOARCH, "mips") {
		return 8
	}
	return 6
}

func become(uid int) error {
	if err := syscall.Setgroups(nil); err != nil {
		return err
	}
	if err := syscall.Setgid(uid); err != nil {
		return err
	}
	return syscall.Setuid(uid)
}
