package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"time"

	"zr/internal/protocol"
)

// run carries out the call and returns the exit status.
func (c *call) run() int {
	switch c.command {
	case "ping":
		_, exit := c.ask(protocol.Request{Request: protocol.Ping})
		return c.tell(exit, "the daemon on %s answers", c.addr)
	case "shutdown":
		_, exit := c.ask(protocol.Request{Request: protocol.Shutdown})
		return c.tell(exit, "all services and the daemon are stopped")
	case "start":
		return c.each(c.start)
	case "stop":
		return c.each(c.stop)
	}
	if c.watch {
		return c.watchStatus()
	}
	return c.status(context.Background())
}

// each does the same for every name and returns the worst exit status. Without
// a daemon there is no point in going on.
func (c *call) each(do func(name string) int) int {
	worst := exitOK
	for _, name := range c.names {
		worst = max(worst, do(name))
		if c.unreachable {
			break
		}
	}
	return worst
}

// start tells a person what takes so long.
func (c *call) start(name string) int {
	if terminal(c.err) {
		notice := time.AfterFunc(time.Second, func() {
			fmt.Fprintf(c.err, "waiting for %s to answer its health check…\n", name)
		})
		defer notice.Stop()
	}
	reply, exit := c.ask(protocol.Request{Request: protocol.Start, Name: name})
	return c.tell(exit, "%s is running on port %d", name, reply.Port)
}

func (c *call) stop(name string) int {
	_, exit := c.ask(protocol.Request{Request: protocol.Stop, Name: name})
	return c.tell(exit, "%s is stopped", name)
}

// ask sends a request and prints its reply as it came. As a table, only an error is
// printed, and success is up to tell.
func (c *call) ask(req protocol.Request) (protocol.Reply, int) {
	reply, line, err := c.do(context.Background(), req)
	if err != nil {
		return reply, c.noReply(err)
	}
	if c.format == "json" {
		c.printf("%s", line)
	}
	if reply.OK {
		return reply, exitOK
	}
	c.explain(req.Name, reply.Error)
	return reply, exitNotOK
}

// printf prints to standard output. If that fails, main says so in the end.
func (c *call) printf(format string, args ...any) {
	if _, err := fmt.Fprintf(c.out, format, args...); err != nil {
		c.unprinted = err
	}
}

func (c *call) do(ctx context.Context, req protocol.Request) (protocol.Reply, []byte, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	return protocol.Do(ctx, c.addr, req)
}

// watchStatus repeats status every second until Ctrl-C, which ends a request
// under way as well.
func (c *call) watchStatus() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	for {
		if c.format == "table" && terminal(c.out) {
			c.printf("\x1b[H\x1b[2J") // home, clear
		}
		if exit := c.status(ctx); exit == exitNoDaemon || c.unprinted != nil {
			return exit
		}
		select {
		case <-ctx.Done():
			return exitOK
		case <-time.After(time.Second):
		}
	}
}

// status prints the services, all or those with the given names.
func (c *call) status(ctx context.Context) int {
	reply, line, err := c.do(ctx, protocol.Request{Request: protocol.Status, Verbose: c.verbose})
	switch {
	case ctx.Err() != nil: // Ctrl-C
		return exitOK
	case err != nil:
		return c.noReply(err)
	}
	exit := exitOK
	switch {
	case !reply.OK:
		exit = exitNotOK
	case len(c.names) > 0:
		reply.Services, exit = pick(reply.Services, c.names)
		line = protocol.EncodeLine(reply)
	}
	if c.format == "json" {
		c.printf("%s", line)
		return exit
	}
	c.show(reply)
	return exit
}

// pick returns the named services that are there, and exitNotOK unless all are running.
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
