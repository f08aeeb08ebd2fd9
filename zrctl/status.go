package main

import (
	"context"
	"os"
	"os/signal"
	"slices"
	"time"

	"zr/internal/protocol"
)

// watchStatus repeats status every second until Ctrl-C, which also ends a request under way. After
// the first reply, it goes on even if the daemon does not answer.
func (c *call) watchStatus() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	for answered := false; ; answered = true {
		exit := c.status(ctx)
		if c.unprinted != nil || exit == exitNoDaemon && !answered {
			return exit
		}
		select {
		case <-ctx.Done():
			return exitOK
		case <-time.After(time.Second):
		}
	}
}

// status prints all services, or the named ones.
func (c *call) status(ctx context.Context) int {
	stop := c.notice("")
	a := c.do(ctx, protocol.Request{Request: protocol.Status, Verbose: c.verbose})
	stop()
	if ctx.Err() != nil { // Ctrl-C
		return exitOK
	}
	exit := exitOK
	if a.reply.OK && len(c.names) > 0 {
		a.reply.Services, exit = pick(a.reply.Services, c.names)
		a.line = protocol.EncodeLine(a.reply)
	}
	if a.err == nil {
		c.trouble = ""
		if c.format == "table" && c.watch && fancy(os.Stdout) {
			c.printf("\x1b[H\x1b[2J") // home, clear
		}
	}
	if !a.reply.OK || c.format == "json" {
		return max(exit, c.report("", a))
	}
	if len(c.names) == 0 || len(a.reply.Services) > 0 {
		color := fancy(os.Stdout) && os.Getenv("NO_COLOR") == ""
		c.printf("%s", makeTable(a.reply.Services, c.verbose, width(os.Stdout), color))
	}
	for _, name := range c.names {
		if indexOf(a.reply.Services, name) < 0 {
			c.say("%s is not running; %s", name, absenceHint(name))
		}
	}
	return exit
}

// pick returns the named services that are listed. The exit status is exitNotOK unless all run.
func pick(all []protocol.Service, names []string) ([]protocol.Service, int) {
	picked, exit := []protocol.Service{}, exitOK
	for _, name := range names {
		i := indexOf(all, name)
		if i >= 0 {
			picked = append(picked, all[i])
		}
		if i < 0 || all[i].Status != "running" {
			exit = exitNotOK
		}
	}
	return picked, exit
}

func indexOf(services []protocol.Service, name string) int {
	return slices.IndexFunc(services, func(s protocol.Service) bool { return s.Name == name })
}
