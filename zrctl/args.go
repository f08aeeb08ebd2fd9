package main

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"zr/internal/protocol"
)

// A call is a parsed command line and what became of it.
type call struct {
	command       command
	names         []string
	addr          string
	timeout       time.Duration
	format        string // "json" or "table"
	verbose       bool
	watch         bool
	version, help bool
	unprinted     error  // why something could not be printed
	trouble       string // the last message of noReply
}

// parse fills in the call. After an error nothing may be sent.
func (c *call) parse(args []string) error {
	words, err := c.split(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		c.help = true
		return nil
	case err != nil || c.version || c.help:
		return err
	case len(words) == 0:
		return errors.New("no command")
	}
	i := slices.IndexFunc(commands, func(cmd command) bool { return cmd.name == words[0] })
	if i < 0 {
		return fmt.Errorf("unknown command %q: it is one of %s", words[0], list(commandNames()))
	}
	c.command, c.names = commands[i], words[1:]
	c.help, c.version = c.command.name == "help", c.command.name == "version"
	if c.help || c.version {
		return nil
	}
	return c.check()
}

// split parses the flags before, between and after the words, and returns the words.
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

// flags defines the flags. The parser, the usage and the completions use this table.
func (c *call) flags() *flag.FlagSet {
	fs := flag.NewFlagSet("zrctl", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.StringVar(&c.addr, "addr", os.Getenv("ZRD_ADDR"),
		"the daemon listens on `HOST:PORT` (default $ZRD_ADDR, else "+protocol.DefaultAddr+")")
	c.timeout = 30 * time.Second
	fs.Func("timeout", "wait at most `TIME` for each reply, as in 5s or 2m (default 30s)",
		protocol.TimeFlag(&c.timeout))
	fs.StringVar(&c.format, "o", os.Getenv("ZRCTL_FORMAT"),
		"print as `FORMAT`: json, the reply as it came, or table (default $ZRCTL_FORMAT, else json)")
	toggle := func(to *bool, name, help string) {
		fs.BoolFunc(name, help, func(value string) error {
			if value != "true" {
				return errors.New("it takes no value")
			}
			*to = true
			return nil
		})
	}
	toggle(&c.verbose, "v", "status: with process ids, restarts and the last error")
	toggle(&c.watch, "watch", "status: again every second, until Ctrl-C, as a table by default")
	toggle(&c.version, "version", "print the version and exit")
	toggle(&c.help, "h", "print this and exit")
	return fs
}

// check fills in defaults, and checks the words after the command and the flags.
func (c *call) check() error {
	c.addr = cmp.Or(c.addr, protocol.DefaultAddr)
	if c.format == "" && c.watch {
		c.format = "table"
	}
	c.format = cmp.Or(c.format, "json")
	_, port, err := net.SplitHostPort(c.addr)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	name, args := c.command.name, c.command.args
	switch {
	case args == "" && len(c.names) > 0:
		return fmt.Errorf("%s takes no name", name)
	case args == "NAME…" && len(c.names) == 0:
		return fmt.Errorf("%s needs a name, as in: zrctl %s", name, c.command.example)
	case args == "SHELL" && len(c.names) == 0:
		return fmt.Errorf("%s needs a shell, as in: zrctl %s", name, c.command.example)
	case args == "SHELL" && (len(c.names) > 1 || !slices.Contains(shells, c.names[0])):
		return fmt.Errorf("%s takes one of %s", name, list(shells))
	case slices.Contains(c.names, ""):
		return errors.New("an empty name")
	case err != nil:
		const example = protocol.DefaultAddr
		return fmt.Errorf("-addr or $ZRD_ADDR: %q is not HOST:PORT, as in %s", c.addr, example)
	case c.format != "json" && c.format != "table":
		return fmt.Errorf("-o or $ZRCTL_FORMAT: %q is neither json nor table", c.format)
	case c.timeout <= 0:
		return fmt.Errorf("-timeout %v is no time at all", c.timeout)
	case (c.watch || c.verbose) && name != "status":
		return errors.New("-v and -watch go with status")
	}
	return nil
}

func list(words []string) string {
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " and " + words[last]
}
