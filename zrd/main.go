// Command zrd starts, checks and restarts the services of installed packages. It runs in the
// foreground, for a process manager. zrctl talks to it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"sync"
	"syscall"
	"time"

	"zr/internal/daemon"
	"zr/internal/packages"
	"zr/internal/process"
	"zr/internal/protocol"
	"zr/internal/sockets"
	"zr/internal/supervisor"
	"zr/internal/systemd"
)

const (
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	process.Stage()
	if isHello(os.Args) {
		exit(exitFailed, hello(os.Args[1]))
	}
	opts, err := parse(os.Args[1:])
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		exit(exitUsage, fmt.Errorf("%w; see zrd -h", err))
	case opts.version:
		fmt.Println("zrd " + protocol.Version())
		return
	}
	if err := run(opts); err != nil {
		exit(exitFailed, err)
	}
}

func exit(status int, err error) {
	for line := range strings.SplitSeq("error: "+err.Error(), "\n") {
		fmt.Fprintln(os.Stderr, protocol.Printable(line))
	}
	os.Exit(status)
}

func run(opts options) error {
	tuneRuntime()
	ends := endSignals()
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE) // a broken log must not end the daemon
	starter, err := process.NewStarter(opts.stdout, os.Stderr, opts.logs)
	if err != nil {
		return err
	}
	table := sockets.Open()
	allow, err := daemon.Allow(opts.allow, table)
	if err != nil {
		return fmt.Errorf("-allow %s: %w", opts.allow, err)
	}
	if opts.demo {
		opts.home, err = newDemoHome()
		defer os.RemoveAll(opts.home)
		if err != nil {
			return fmt.Errorf("cannot make the demo's home: %w", err)
		}
	}
	listener, err := listen(opts)
	if err != nil {
		return err
	}
	logger := daemon.NewLogger(os.Stderr)
	defer logger.Close()
	logger.Printf("listening on %s", listener.Addr())
	contain(starter, logger)
	defer starter.Close()
	home := packages.Open(opts.home)
	system := supervisor.NewSystem(home, starter, table)
	services := supervisor.New(system, logger.Logger, opts.interval)
	server := daemon.NewServer(listener, services, logger, allow, maxConns())
	go endOnSignals(ends, server, services)
	demo := make(chan error, 1)
	if opts.demo {
		go func() { demo <- runDemo(server, services, listener.Addr().String()) }()
	} else {
		close(demo)
	}
	ready := startEager(home, services, logger, server.Ending())
	report := reporter{services: services, server: server, log: logger}
	served, end := context.WithCancel(context.Background())
	var reporting sync.WaitGroup
	reporting.Go(func() { report.run(served, ready, server.Ending()) })
	err = server.Serve()
	end()
	reporting.Wait()
	logger.Print("stopped")
	return errors.Join(err, <-demo)
}

// contain puts services into cgroups if possible, and logs how they are contained.
func contain(starter *process.Starter, logger *daemon.Logger) {
	if dir, err := starter.Contain(logger.Printf); err != nil {
		logger.Printf("services are contained by process groups: %v", err)
	} else {
		logger.Printf("services are contained by cgroups below %s", dir)
	}
}

// startEager starts all eager services side by side. It closes the channel that it returns when the
// first attempt of each has ended. A package that cannot be read may be eager, so the supervisor
// tries it again. Packages that cannot be listed are listed again after 1, 2, 4 and 8 s.
func startEager(
	home *packages.Home, s *supervisor.Supervisor, log *daemon.Logger, ending <-chan struct{},
) <-chan struct{} {
	tried := make(chan struct{})
	go func() {
		err := startListed(home, s, log)
		close(tried)
		for wait := time.Second; err != nil && wait < 16*time.Second; wait *= 2 {
			select {
			case <-time.After(wait):
				err = startListed(home, s, log)
			case <-ending:
				return
			}
		}
	}()
	return tried
}

// startListed returns when the first attempt of each eager service has ended, or why the packages
// cannot be listed.
func startListed(home *packages.Home, s *supervisor.Supervisor, log *daemon.Logger) error {
	names, err := home.Names()
	if err != nil {
		log.Printf("%v", err)
		return err
	}
	var reading, starting sync.WaitGroup
	for _, name := range names {
		reading.Go(func() {
			if eager, err := home.Eager(name); eager || err != nil {
				starting.Go(func() { s.StartEager(name) })
			}
		})
	}
	reading.Wait()
	debug.FreeOSMemory() // 2 kB for each definition that was read
	starting.Wait()
	return nil
}

var signalNames = map[os.Signal]string{
	syscall.SIGTERM: "SIGTERM", syscall.SIGINT: "SIGINT", syscall.SIGHUP: "SIGHUP",
}

// endSignals catches the signals that end the daemon. It runs before others can find the daemon.
func endSignals() <-chan os.Signal {
	ends := make(chan os.Signal, 2)
	for sig := range signalNames {
		if sig != syscall.SIGHUP || !signal.Ignored(sig) { // nohup ignores it
			signal.Notify(ends, sig)
		}
	}
	return ends
}

// endOnSignals ends the daemon at the first signal, and without grace at the second. A closed
// terminal sends SIGHUP twice, so SIGHUP is never the second.
func endOnSignals(ends <-chan os.Signal, server *daemon.Server, services *supervisor.Supervisor) {
	sig := <-ends
	go server.Shutdown(signalNames[sig])
	for sig := range ends {
		if sig != syscall.SIGHUP {
			services.Kill()
		}
	}
}

// listen returns the socket of the service manager, or its own on -addr if there is none.
func listen(opts options) (*net.TCPListener, error) {
	handed, err := systemd.Listener()
	switch {
	case err != nil:
		return nil, err
	case handed == nil:
		return bind(opts.addr)
	case opts.allow != "any" && sockets.IsForeign(handed):
		return nil, errors.New("the socket that the manager handed over belongs to another network" +
			" namespace, where zrd cannot see who connects: run zrd in the same one" +
			" (a unit without PrivateNetwork=), without the socket, or with -allow any")
	}
	return handed, nil
}

func bind(addr string) (*net.TCPListener, error) {
	config := net.ListenConfig{KeepAlive: -1} // saves four system calls for each short connection
	l, err := config.Listen(context.Background(), "tcp", addr)
	if err == nil {
		return l.(*net.TCPListener), nil
	}
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err
	}
	return nil, fmt.Errorf("failed to bind daemon on %s — is another daemon running?: %w\n"+
		"hint: zrd -addr 127.0.0.1:PORT listens elsewhere", addr, err)
}
