// Command zrd starts, checks and restarts the services of installed packages. It runs in the
// foreground, for a process manager. zrctl talks to it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path/filepath"
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

// connections is how many clients may be connected at once if there are enough descriptors.
const connections = 8192

const (
	exitFailed = 1
	exitUsage  = 2
)

type options struct {
	home, addr, allow string
	interval          time.Duration
	logs              string   // folder of the services' logs; "": none
	stdout            *os.File // of services; nil: the null device
	version, demo     bool
}

func main() {
	process.Stage()
	if isHello(os.Args) {
		fmt.Fprintf(os.Stderr, "error: %v\n", hello(os.Args[1]))
		os.Exit(exitFailed)
	}
	opts, err := parse(os.Args[1:])
	switch {
	case errors.Is(err, flag.ErrHelp):
		return
	case err != nil:
		os.Exit(exitUsage)
	case opts.version:
		fmt.Println("zrd " + protocol.Version())
		return
	}
	if err := run(opts); err != nil {
		fmt.Fprintf(os.Stderr, "error: %v\n", err)
		os.Exit(exitFailed)
	}
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
	listener, err := listen(opts.addr)
	if err != nil {
		return err
	}
	if opts.allow != "any" && sockets.IsForeign(listener) {
		return errors.New("the socket that the manager handed over belongs to another network namespace, where zrd cannot see who connects:" +
			" run zrd in the same one (a unit without PrivateNetwork=), without the socket, or with -allow any")
	}
	logger := daemon.NewLogger(os.Stderr)
	defer logger.Close()
	logger.Printf("listening on %s", listener.Addr())
	contain(starter, logger)
	defer starter.Close()
	home := packages.Open(opts.home)
	services := supervisor.New(supervisor.NewSystem(home, starter, table), logger.Logger, opts.interval)
	server := daemon.NewServer(listener, services, logger, allow, maxConns())
	go obey(ends, server, services)
	demo := make(chan error, 1)
	if opts.demo {
		go runDemo(demo, server, services, listener.Addr().String())
	} else {
		close(demo)
	}
	report := newReporter(services, server, logger)
	go report.run(startEager(home, services, logger), server.Ending())
	err = server.Serve()
	report.end()
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

// endSignals catches the signals that end the daemon. It runs before others can find the daemon.
func endSignals() <-chan os.Signal {
	ends := make(chan os.Signal, 2)
	signal.Notify(ends, syscall.SIGTERM, syscall.SIGINT)
	if !signal.Ignored(syscall.SIGHUP) { // nohup ignores it
		signal.Notify(ends, syscall.SIGHUP)
	}
	return ends
}

// obey ends the daemon at the first signal, and without grace at the second.
func obey(ends <-chan os.Signal, server *daemon.Server, services *supervisor.Supervisor) {
	sig := <-ends
	go server.Shutdown(signalName(sig))
	<-ends
	services.Kill()
}

func signalName(sig os.Signal) string {
	switch sig {
	case syscall.SIGTERM:
		return "SIGTERM"
	case syscall.SIGINT:
		return "SIGINT"
	case syscall.SIGHUP:
		return "SIGHUP"
	}
	return sig.String()
}

// listen returns the socket of the service manager, or its own on addr if there is none.
func listen(addr string) (*net.TCPListener, error) {
	if l, err := systemd.Listener(); l != nil || err != nil {
		return l, err
	}
	config := net.ListenConfig{KeepAlive: -1} // saves four system calls for each short connection
	l, err := config.Listen(context.Background(), "tcp", addr)
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) {
			err = op.Err
		}
		return nil, fmt.Errorf("failed to bind daemon on %s — is another daemon running?: %w\nhint: zrd -addr 127.0.0.1:PORT listens elsewhere", addr, err)
	}
	return l.(*net.TCPListener), nil
}

func parse(args []string) (options, error) {
	var o options
	fs := flag.NewFlagSet("zrd", flag.ContinueOnError)
	fs.SetOutput(io.Discard) // an error takes one line, without the usage
	fs.Usage = func() {}
	fs.StringVar(&o.home, "home", "", "look for packages in `DIR` (default $ZR_HOME, else ~/.zr)")
	fs.StringVar(&o.addr, "addr", protocol.DefaultAddr, "listen on `HOST:PORT`, a loopback address; port 0 picks a free port")
	fs.StringVar(&o.allow, "allow", "self", "serve root and zrd's own user (self), every user (any), or also `USERS`, as in alice,1001")
	o.interval = supervisor.DefaultInterval
	fs.Func("health-interval", "check each running service every `TIME`, as in 30s or 2m (default 10s)", o.setInterval)
	fs.BoolVar(&o.demo, "demo", false, "run with a temporary home and one package, hello, and print what to try")
	fs.Func("service-stdout", "send the standard output of services to `WHERE`: null (discard) or inherit (zrd's own) (default null)", o.setStdout)
	fs.StringVar(&o.logs, "service-log", "", "append the standard output and error of each service to `DIR`/NAME.log")
	fs.BoolVar(&o.version, "version", false, "print the version and exit")
	err := fs.Parse(args)
	if err == nil && !o.version {
		err = o.check(fs.Args())
	}
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Print("zrd starts, checks, restarts and stops the services of installed packages.\n\nUsage:\n\n  zrd [flags]\n\nFlags:\n\n")
		fs.SetOutput(os.Stdout)
		fs.PrintDefaults()
	case err != nil:
		fmt.Fprintf(os.Stderr, "error: %v; see zrd -h\n", err)
	}
	return o, err
}

func (o *options) setInterval(text string) (err error) {
	if o.interval, err = time.ParseDuration(text); err != nil {
		return errors.New("not a time with its unit, as in 30s or 2m")
	}
	return nil
}

func (o *options) setStdout(where string) error {
	switch where {
	case "null":
		o.stdout = nil
	case "inherit":
		o.stdout = os.Stdout
	default:
		return errors.New("it is neither null nor inherit")
	}
	return nil
}

func (o *options) check(rest []string) error {
	if len(rest) > 0 {
		return fmt.Errorf("unexpected argument %q: zrd takes flags only", rest[0])
	}
	if o.interval < time.Millisecond {
		return fmt.Errorf("-health-interval %v is too short", o.interval)
	}
	if _, err := daemon.Allow(o.allow, nil); err != nil {
		return fmt.Errorf("-allow %s: %w", o.allow, err)
	}
	addr, err := net.ResolveTCPAddr("tcp", o.addr)
	if err != nil {
		return fmt.Errorf("-addr %s: %w", o.addr, err)
	}
	if !addr.IP.IsLoopback() {
		return fmt.Errorf("-addr %s is not a loopback address: the protocol has no login, so the daemon listens on this machine only", o.addr)
	}
	if o.logs != "" {
		if o.logs, err = writableDir(o.logs); err != nil {
			return fmt.Errorf("-service-log: %w", err)
		}
	}
	if o.demo {
		if o.home != "" {
			return errors.New("-demo has a home of its own")
		}
		return nil
	}
	if o.home, err = findHome(o.home); err != nil {
		return err
	}
	if err := os.MkdirAll(o.home, 0o755); err != nil {
		return fmt.Errorf("the home is not there and cannot be made: %w", err)
	}
	return nil
}

// writableDir returns the absolute path of dir, or an error if no file can be made in it.
func writableDir(dir string) (string, error) {
	probe, err := os.CreateTemp(dir, ".zrd-*")
	if err != nil {
		return "", err
	}
	probe.Close()
	os.Remove(probe.Name())
	return filepath.Abs(dir)
}

func findHome(home string) (string, error) {
	if home == "" {
		home = os.Getenv("ZR_HOME")
	}
	if home == "" {
		user, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("no home: set -home or $ZR_HOME (%w)", err)
		}
		home = filepath.Join(user, ".zr")
	}
	return filepath.Abs(home)
}
