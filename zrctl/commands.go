package main

import (
	"context"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"zr/internal/protocol"
)

// A command is one row of the table of commands.
type command struct {
	name     string
	args     string // NAME… is one or more, [NAME…] any number
	summary  string
	example  string
	requests []string // sent one after the other, for each name if there are names
	done     string   // printed as a table for a good reply
}

// The usage, the parser and the completions come from this table. A new request needs a row here
// and an entry in zrctl.1.
var commands = []command{
	{"ping", "", "is the daemon there?", "ping",
		[]string{protocol.Ping}, "the daemon on ADDR answers"},
	{"status", "[NAME…]", "all services, or these", "status -v -o table",
		[]string{protocol.Status}, ""},
	{"start", "NAME…", "start, and wait until healthy", "start kv",
		[]string{protocol.Start}, "NAME is running on port PORT"},
	{"stop", "NAME…", "stop, and wait until gone", "stop kv web",
		[]string{protocol.Stop}, "NAME is stopped"},
	{"restart", "NAME…", "stop, then start", "restart kv",
		[]string{protocol.Stop, protocol.Start}, "NAME is running on port PORT"},
	{"shutdown", "", "stop all services and the daemon", "shutdown",
		[]string{protocol.Shutdown}, "all services and the daemon are stopped"},
	{"completion", "SHELL", "a script for bash, zsh or fish", "completion bash", nil, ""},
	{"help", "", "print this", "help", nil, ""},
	{"version", "", "print the version", "version", nil, ""},
}

func commandNames() (names []string) {
	for _, cmd := range commands {
		names = append(names, cmd.name)
	}
	return names
}

// atOnce is how many names zrctl works on side by side. With 64 descriptors, the daemon has places
// for 32 clients.
const atOnce = 16

// An answer is the last reply to the requests of a command, or the reason why there is none.
type answer struct {
	reply protocol.Reply
	line  []byte
	err   error
	hint  string // for the user, or ""
}

// each carries out the command for all names side by side, and prints the replies in the order of
// the names. It returns the worst exit status. A command without names is carried out once, and so
// is a name that comes twice.
func (c *call) each() int {
	names := c.names
	if len(names) == 0 {
		names = []string{""}
	}
	places := make(chan struct{}, atOnce)
	answers := make(map[string]func() answer)
	for _, name := range names {
		if answers[name] == nil {
			answers[name] = sync.OnceValue(func() answer {
				places <- struct{}{}
				defer func() { <-places }()
				return c.carryOut(name)
			})
			go answers[name]()
		}
	}
	worst := exitOK
	for _, name := range names {
		stop := c.notice(name)
		a := answers[name]()
		stop()
		worst = max(worst, c.report(name, a))
	}
	return worst
}

// carryOut sends the requests of the command, until one is answered with an error.
func (c *call) carryOut(name string) (a answer) {
	unknown := c.command.name == "stop" && c.unknown(name)
	for _, request := range c.command.requests {
		a = c.do(context.Background(), protocol.Request{Request: request, Name: name})
		switch {
		case a.err != nil:
			return a
		case !a.reply.OK:
			a.hint = errorHint(name, a.reply.Error)
			return a
		}
	}
	if unknown {
		a.hint = name + " was not running; " + absenceHint(name)
	}
	return a
}

func (c *call) do(ctx context.Context, req protocol.Request) (a answer) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	a.reply, a.line, a.err = protocol.Do(ctx, c.addr, req)
	return a
}

// notice tells a person which name zrctl waits for, unless stop is called within a second.
func (c *call) notice(name string) (stop func() bool) {
	if name == "" {
		name = "the daemon on " + c.addr
	}
	return time.AfterFunc(time.Second, func() {
		if terminal(os.Stderr) {
			c.say("waiting for %s…", name)
		}
	}).Stop
}

// report prints an answer and returns its exit status.
func (c *call) report(name string, a answer) int {
	switch {
	case a.err != nil:
		return c.noReply(name, a.err)
	case c.format == "json":
		c.printf("%s", a.line)
	case a.reply.OK:
		words := strings.NewReplacer("NAME", name, "PORT", strconv.Itoa(a.reply.Port), "ADDR", c.addr)
		c.printf("%s\n", protocol.Printable(words.Replace(c.command.done)))
	case strings.Contains(a.reply.Error, "'"+name+"'"):
		c.say("error: %s", a.reply.Error)
	default:
		c.say("error: %s%s", about(name), a.reply.Error)
	}
	if a.hint != "" {
		c.say("hint: %s", a.hint)
	}
	if !a.reply.OK {
		return exitNotOK
	}
	return exitOK
}
