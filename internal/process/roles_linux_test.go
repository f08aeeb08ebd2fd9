package process

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"unsafe"
)

func init() {
	// descriptors notes the inherited descriptors. The runtime's own are closed on exec.
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
	roles["leftover"] = leftover
	roles["daemonizer"] = func(args []string) int {
		child := exec.Command(os.Args[0], rolePrefix+"ignore-term", args[0])
		child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		fatal(child.Start())
		select {}
	}
	roles["starved"] = starved
}

// careless becomes a daemon with signals ignored and blocked, and one descriptor open.
func careless(args []string) int {
	signal.Ignore(syscall.SIGHUP, syscall.SIGTSTP, syscall.SIGPIPE, syscall.SIGUSR1)
	runtime.LockOSThread()
	blocked := uint64(1<<(syscall.SIGTERM-1) | 1<<(syscall.SIGUSR2-1))
	syscall.RawSyscall6(syscall.SYS_RT_SIGPROCMASK, 0, uintptr(unsafe.Pointer(&blocked)), 0, unsafe.Sizeof(blocked), 0, 0)
	_, err := syscall.Open(os.DevNull, syscall.O_RDONLY, 0)
	fatal(err)
	fatal(syscall.Exec(os.Args[0], append([]string{os.Args[0], rolePrefix + "daemon"}, args...), os.Environ()))
	return 0
}

// daemon starts a program with its own standard output, prints how it exited, and waits for the end
// of its own standard input.
func daemon(args []string) int {
	p, err := newStarter(os.Stdout).Start(command(args[0], args[1:]...))
	fatal(err)
	fmt.Println(p.Wait())
	os.Stdin.Read(make([]byte, 1))
	return 0
}

// starved is a daemon that waits without a free descriptor.
func starved(args []string) int {
	p, err := newStarter(nil).Start(command(args[0], args[1:]...))
	fatal(err)
	fatal(p.Executed())
	fatal(syscall.Setrlimit(syscall.RLIMIT_NOFILE, &syscall.Rlimit{Cur: 3, Max: 3}))
	fmt.Println(p.Wait())
	os.Stdin.Read(make([]byte, 1))
	return 0
}

// leftover prints how many more descriptors are open after a second process than after the first,
// when the runtime has opened its poller.
func leftover([]string) int {
	s := newStarter(nil)
	var open [2]int
	for i := range open {
		p, err := s.Start(command(os.Args[0], rolePrefix+"exit", "0"))
		fatal(err)
		p.Wait()
		list, err := os.ReadDir("/proc/self/fd")
		fatal(err)
		open[i] = len(list)
	}
	fmt.Println(open[1] - open[0])
	return 0
}
