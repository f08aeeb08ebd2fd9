package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"time"

	"zr/internal/daemon"
	"zr/internal/protocol"
	"zr/internal/supervisor"
)

type options struct {
	home, addr, allow string
	interval          time.Duration
	logs              string   // folder of the services' logs; "": none
	stdout            *os.File // of services; nil: the null device
	version, demo     bool
}

// parse returns the checked options. It prints the usage if the error is flag.ErrHelp.
func parse(args []string) (options, error) {
	o := options{interval: supervisor.DefaultInterval}
	fs := flag.NewFlagSet("zrd", flag.ContinueOnError)
	fs.SetOutput(io.Discard) // main prints errors
	fs.StringVar(&o.home, "home", "", "look for packages in `DIR` (default $ZR_HOME, else ~/.zr)")
	fs.StringVar(&o.addr, "addr", protocol.DefaultAddr,
		"listen on `HOST:PORT`, a loopback address; port 0 picks a free port")
	fs.StringVar(&o.allow, "allow", "self",
		"serve root and zrd's own user (self), every user (any), or also `USERS`, as in alice,1001")
	fs.Func("health-interval", "check each running service every `TIME`,"+
		" as in 30s or 2m (default 10s)", protocol.TimeFlag(&o.interval))
	fs.BoolVar(&o.demo, "demo", false,
		"run with a temporary home and one package, hello, and print what to try")
	fs.Func("service-stdout", "send the standard output of services to `WHERE`:"+
		" null (discard) or inherit (zrd's own) (default null)", o.setStdout)
	fs.Func("service-log",
		"append the standard output and error of each service to `DIR`/NAME.log", o.setLogs)
	fs.BoolVar(&o.version, "version", false, "print the version and exit")
	err := fs.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Print("zrd starts, checks, restarts and stops the services of installed packages.\n\n" +
			"Usage:\n\n  zrd [flags]\n\nFlags:\n\n")
		fs.SetOutput(os.Stdout)
		fs.PrintDefaults()
	case err == nil && !o.version:
		err = o.check(fs.Args())
	}
	return o, err
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
		return fmt.Errorf("-addr %s is not a loopback address: the protocol has no login,"+
			" so the daemon listens on this machine only", o.addr)
	}
	switch {
	case !o.demo:
		return o.findHome()
	case o.home != "":
		return errors.New("-demo has a home of its own")
	}
	return nil
}

// setLogs sets the folder of the services' logs. It fails if no file can be made there.
func (o *options) setLogs(dir string) error {
	if dir == "" {
		return errors.New("it names no folder")
	}
	probe, err := os.CreateTemp(dir, ".zrd-*")
	if err != nil {
		return err
	}
	probe.Close()
	os.Remove(probe.Name())
	o.logs, err = filepath.Abs(dir)
	return err
}

func (o *options) findHome() (err error) {
	if o.home == "" {
		if o.home, err = protocol.DefaultHome(); err != nil {
			return fmt.Errorf("no home: set -home or $ZR_HOME (%w)", err)
		}
	}
	if err := os.MkdirAll(o.home, 0o755); err != nil {
		return fmt.Errorf("the home is not there and cannot be made: %w", err)
	}
	return nil
}
