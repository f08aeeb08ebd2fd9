// Command zrctl sends requests to zrd and prints the replies.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"strings"

	"zr/internal/protocol"
)

const (
	exitOK       = 0
	exitNotOK    = 1 // a reply has "ok":false, or a service that status was asked for is not running
	exitUsage    = 2 // nothing was sent
	exitNoDaemon = 3 // there is no daemon, or no reply came in time
)

func main() {
	c := new(call)
	if err := c.parse(os.Args[1:]); err != nil {
		c.say("error: %v; see zrctl -h", err)
		os.Exit(exitUsage)
	}
	exit := c.run()
	if c.unprinted != nil {
		c.say("error: cannot print: %v", c.unprinted)
		exit = max(exit, exitNotOK)
	}
	os.Exit(exit)
}

// run carries out the call and returns the exit status.
func (c *call) run() int {
	switch {
	case c.help:
		c.printf("%s", c.usage())
	case c.version:
		c.printf("zrctl %s\n", protocol.Version())
	case c.command.name == "completion":
		c.printf("%s", completion(c.names[0], c.flags()))
	case c.watch:
		return c.watchStatus()
	case c.command.name == "status":
		return c.status(context.Background())
	default:
		return c.each()
	}
	return exitOK
}

// printf prints to standard output. If that fails, main reports it at the end.
func (c *call) printf(format string, args ...any) {
	if _, err := fmt.Fprintf(os.Stdout, format, args...); err != nil {
		c.unprinted = err
	}
}

// say prints a line to standard error, escaped and cut to a bounded length.
func (c *call) say(format string, args ...any) {
	fmt.Fprintln(os.Stderr, shown(fmt.Sprintf(format, args...), 4096))
}

func (c *call) usage() string {
	var text strings.Builder
	text.WriteString("zrctl talks to zrd, the service supervisor on this machine.\n\nUsage:\n\n" +
		"  zrctl [flags] COMMAND [NAME…]\n\nCommands:\n\n")
	for _, cmd := range commands {
		fmt.Fprintf(&text, "  %-16s  %-34s  zrctl %s\n", cmd.name+" "+cmd.args, cmd.summary, cmd.example)
	}
	text.WriteString("\nFlags, before or after the command:\n\n")
	c.flags().VisitAll(func(f *flag.Flag) {
		arg, help := flag.UnquoteUsage(f)
		fmt.Fprintf(&text, "  %-15s  %s\n", "-"+f.Name+" "+arg, help)
	})
	text.WriteString(`
Exit status: 0 all went well; 1 a reply was an error, or a service that status
was asked for is not running; 2 usage; 3 no daemon, or no reply in time.
`)
	return text.String()
}
