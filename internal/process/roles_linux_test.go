package process

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
	"unsafe"
)

func init() {
	// descriptors notes those that were inherited: what the Go runtime has opened since is
	// closed on exec.
	roles["descriptors"] = func(args []string) int {
		var open []string
		for fd := range 256 {
			flags, _, errno := syscall.Syscall(syscall.SYS_FCNTL, uintptr(fd), syscall.F_GETFD, 0)
			if errno == 0 && flags&syscall.FD_CLOEXEC == 0 {
				open = append(open, fmt.Sprint(fd))
			}
		}
		note(args[0], strings.Join(open, " "))
		return 0
	}
	roles["careless"] = careless
	roles["daemon"] = daemon
	roles["hundred"] = hundred
	roles["daemonizer"] = func(args []string) int {
		child := exec.Command(os.Args[0], rolePrefix+"ignore-term", args[0])
		child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := child.Start(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		select {}
	}
	roles["starved"] = starved
}

// careless hands on what a daemon should not get: ignored and blocked signals.
func careless(args []string) int {
	signal.Ignore(syscall.SIGHUP, syscall.SIGTSTP, syscall.SIGPIPE, syscall.SIGUSR1)
	runtime.LockOSThread()
	blocked := uint64(1<<(syscall.SIGTERM-1) | 1<<(syscall.SIGUSR2-1))
	syscall.RawSyscall6(syscall.SYS_RT_SIGPROCMASK, 0, uintptr(unsafe.Pointer(&blocked)), 0, unsafe.Sizeof(blocked), 0, 0)
	err := syscall.Exec(os.Args[0], append([]string{os.Args[0], rolePrefix + "daemon"}, args...), os.Environ())
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// daemon starts a program with its own standard output, says its number and
// waits for it, and then for the end of its own standard input.
func daemon(args []string) int {
	p, err := newStarter(os.Stdout).Start(command(args[0], args[1:]...))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println("pid", p.Pid())
	fmt.Println(p.Wait())
	os.Stdin.Read(make([]byte, 1))
	return 0
}

// starved starts a program, and waits for it without a free descriptor.
func starved(args []string) int {
	p, err := newStarter(nil).Start(command(args[0], args[1:]...))
	if err == nil {
		err = p.Executed()
	}
	if err == nil {
		err = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 3, Max: 3})
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	fmt.Println(p.Wait())
	os.Stdin.Read(make([]byte, 1))
	return 0
}

// hundred holds a hundred processes, and counts what they cost.
func hundred([]string) int {
	const n = 100
	s := newStarter(nil)
	run := func(count int, meanwhile func()) {
		var waits sync.WaitGroup
		var all []*Process
		for range count {
			p, err := s.Start(command(os.Args[0], rolePrefix+"sleep", ""))
			if err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			all = append(all, p)
			waits.Add(1)
			go func() {
				p.Wait()
				waits.Done()
			}()
		}
		meanwhile()
		for _, p := range all {
			p.Kill()
		}
		waits.Wait()
	}
	run(1, func() {}) // the runtime opens its poller
	before := entries("/proc/self/fd")
	run(n, func() {
		time.Sleep(100 * time.Millisecond) // for all waits to be under way: a thread each, if they take one
		fmt.Println("threads", entries("/proc/self/task"))
	})
	fmt.Println("descriptors", entries("/proc/self/fd")-before)
	return 0
}

func entries(dir string) int {
	list, _ := os.ReadDir(dir)
	return len(list)
}
