package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"zr/internal/protocol"
)

// noReply says what to do about a request that was not answered.
func (c *call) noReply(err error) int {
	var op *net.OpError
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		fmt.Fprintf(c.err, "error: no reply from %s within %v: the request may still be under way; ask zrctl status, or wait longer with -timeout\n", c.addr, c.timeout)
	case errors.As(err, &op) && op.Op == "dial":
		c.unreachable = true
		fmt.Fprintf(c.err, "error: no daemon on %s: %v; start one with zrd, or say where it listens with -addr or $ZRD_ADDR\n", c.addr, op.Err)
	case errors.Is(err, protocol.ErrNoReply):
		fmt.Fprintf(c.err, "error: what answers on %s is not zrd: %v; say where zrd listens with -addr or $ZRD_ADDR\n", c.addr, err)
	default:
		fmt.Fprintf(c.err, "error: no reply from %s: %v; if the daemon was ending, start it again with zrd\n", c.addr, err)
	}
	return exitNoDaemon
}

// tell is the table's way to say yes; it returns exit.
func (c *call) tell(exit int, format string, args ...any) int {
	if exit == exitOK && c.format == "table" {
		c.printf(format+"\n", args...)
	}
	return exit
}

// explain says what an error reply to a request about name, if it is about one, means to
// somebody at a keyboard.
func (c *call) explain(name, reply string) {
	if c.format == "table" {
		if name != "" && !strings.Contains(reply, "'"+name+"'") {
			reply = name + ": " + reply
		}
		fmt.Fprintf(c.err, "error: %s\n", reply)
	}
	switch {
	case !strings.HasPrefix(reply, "package '") || !strings.HasSuffix(reply, "' not found"):
	case strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "":
		fmt.Fprintf(c.err, "hint: a package name is lower-case words of a-z and 0-9 joined by hyphens\n")
	default:
		fmt.Fprintf(c.err, "hint: the daemon looks for modules/%s.json in its home, which is what its -home or $ZR_HOME says, or ~/.zr%s\n", name, home())
	}
}

// home tells of the home of a daemon that was started without -home from where
// zrctl was, if there is one.
func home() string {
	home := os.Getenv("ZR_HOME")
	if user, err := os.UserHomeDir(); home == "" && err == nil {
		home = filepath.Join(user, ".zr")
	}
	if home == "" {
		return ""
	}
	return " (from here, " + home + ")"
}

// show prints a status reply as a table, and names what was asked for in vain.
func (c *call) show(reply protocol.Reply) {
	if !reply.OK {
		c.explain("", reply.Error)
		return
	}
	if len(c.names) == 0 || len(reply.Services) > 0 {
		c.printf("%s", makeTable(reply.Services, c.verbose, colored(c.out)))
	}
	for _, name := range c.names {
		if indexOf(reply.Services, name) < 0 {
			fmt.Fprintf(c.err, "%s is not running; start it with: zrctl start %s\n", name, name)
		}
	}
}

// terminal tells whether a person is likely to read f.
func terminal(f *os.File) bool {
	st, err := f.Stat()
	return err == nil && st.Mode()&os.ModeCharDevice != 0
}

// colored honours NO_COLOR, whose value does not matter unless it is empty.
func colored(f *os.File) bool {
	return terminal(f) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// colors are all of one length, so that the columns of the table stay
// aligned; the empty key is the default colour.
var colors = map[string]string{"": "\x1b[39m", "starting": "\x1b[33m", "running": "\x1b[32m", "failed": "\x1b[31m"}

func paint(word string, color bool) string {
	if !color {
		return word
	}
	start, ok := colors[word]
	if !ok {
		start = colors[""]
	}
	return start + word + "\x1b[0m"
}

func makeTable(services []protocol.Service, verbose, color bool) string {
	if len(services) == 0 {
		return "no services\n"
	}
	var text strings.Builder
	table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	row := func(name, port, status, details string) {
		fmt.Fprint(table, name, "\t", port, "\t", paint(status, color), details, "\n")
	}
	if !verbose {
		row("NAME", "PORT", "STATUS", "")
	} else {
		row("NAME", "PORT", "STATUS", "\tPID\tUPTIME\tRESTARTS\tFAILURES\tVERSION\tNEXT RETRY\tLAST ERROR")
	}
	for _, s := range services {
		row(s.Name, fmt.Sprint(s.Port), s.Status, details(s.Details))
	}
	table.Flush()
	return text.String()
}

func details(d *protocol.Details) string {
	if d == nil {
		return ""
	}
	return fmt.Sprintf("\t%s\t%s\t%d\t%d\t%s\t%s\t%s", number(&d.PID, ""), number(d.Uptime, "s"),
		d.Restarts, d.Failures, d.Version, number(d.NextRetry, "s"), d.LastError)
}

// number shows what is not there as a dash.
func number(n *int, unit string) string {
	if n == nil || *n == 0 && unit == "" {
		return "-"
	}
	return fmt.Sprint(*n) + unit
}
