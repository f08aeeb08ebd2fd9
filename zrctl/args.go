package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"time"

	"zr/internal/protocol"
)

// A call is what the command line asks for.
type call struct {
	command       string
	names         []string
	addr          string
	timeout       time.Duration
	format        string // "json" or "table"
	verbose       bool
	watch         bool
	version, help bool
	unreachable   bool // nobody took a request
	out, err      *os.File
	unprinted     error // why something could not be printed
}

// parse fills in the call; after an error, nothing may be sent.
func (c *call) parse(args []string) error {
	words, err := c.split(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		c.help = true
		return nil
	case err != nil || c.version:
		return err
	case len(words) == 0:
		return errors.New("no command")
	}
	c.command, c.names = words[0], words[1:]
	c.help, c.version = c.command == "help", c.command == "version"
	if c.help || c.version {
		return nil
	}
	c.complete()
	if err := c.checkFlags(); err != nil {
		return err
	}
	return c.checkNames()
}

// split takes flags before, between and after the words.
func (c *call) split(args []string) (words []string, err error) {
	fs := c.flags()
	for {
		if err := fs.Parse(args); err != nil {
			return nil, err
		}
		if fs.NArg() == 0 {
			return words, nil
		}
		words = append(words, fs.Arg(0))
		args = fs.Args()[1:]
	}
}

func (c *call) flags() *flag.FlagSet {
	fs := flag.NewFlagSet("zrctl", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.StringVar(&c.addr, "addr", os.Getenv("ZRD_ADDR"), "")
	c.timeout = 30 * time.Second
	fs.Func("timeout", "", func(s string) (err error) {
		if c.timeout, err = time.ParseDuration(s); err != nil {
			err = errors.New("not a time with its unit, as in 30s or 2m")
		}
		return err
	})
	fs.StringVar(&c.format, "o", "", "")
	fs.BoolVar(&c.verbose, "v", false, "")
	fs.BoolVar(&c.watch, "watch", false, "")
	fs.BoolVar(&c.version, "version", false, "")
	return fs
}

func (c *call) complete() {
	if c.addr == "" {
		c.addr = protocol.DefaultAddr
	}
	if c.format != "" {
		return
	}
	c.format = "json"
	if c.watch {
		c.format = "table"
	}
}

func (c *call) checkFlags() error {
	_, port, err := net.SplitHostPort(c.addr)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return fmt.Errorf("-addr or $ZRD_ADDR: %q is not HOST:PORT, as in %s", c.addr, protocol.DefaultAddr)
	}
	switch {
	case c.format != "json" && c.format != "table":
		return fmt.Errorf("-o %s is neither json nor table", c.format)
	case c.timeout <= 0:
		return fmt.Errorf("-timeout %v is no time at all", c.timeout)
	case (c.watch || c.verbose) && c.command != "status":
		return errors.New("-v and -watch go with status")
	}
	return nil
}

// checkNames tells whether the command is there and takes that many names.
func (c *call) checkNames() error {
	switch c.command {
	case "ping", "shutdown":
		if len(c.names) > 0 {
			return fmt.Errorf("%s takes no name", c.command)
		}
	case "start", "stop":
		if len(c.names) == 0 {
			return fmt.Errorf("%s needs a name, as in: zrctl %s kv", c.command, c.command)
		}
	case "status":
	default:
		return fmt.Errorf("unknown command %q: it is one of ping, status, start, stop and shutdown", c.command)
	}
	if slices.Contains(c.names, "") {
		return errors.New("an empty name")
	}
	return nil
}
