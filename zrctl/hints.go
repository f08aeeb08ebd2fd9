package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"zr/internal/protocol"
)

// noReply prints why a request was not answered and what to do, unless the last message was the
// same.
func (c *call) noReply(name string, err error) int {
	about := ""
	if name != "" {
		about = name + ": "
	}
	var op *net.OpError
	var trouble string
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		trouble = fmt.Sprintf("%sno reply from %s within %v: the request may still be under way; ask zrctl status, or wait longer with -timeout", about, c.addr, c.timeout)
	case errors.As(err, &op) && op.Op == "dial":
		trouble = fmt.Sprintf("no daemon on %s: %v; start one with zrd, or say where it listens with -addr or $ZRD_ADDR", c.addr, op.Err)
	case errors.Is(err, protocol.ErrNoReply):
		trouble = fmt.Sprintf("what answers on %s is not zrd: %v; say where zrd listens with -addr or $ZRD_ADDR", c.addr, err)
	default:
		trouble = fmt.Sprintf("%sno reply from %s: %v; if the daemon was ending, start it again with zrd", about, c.addr, err)
	}
	if trouble != c.trouble {
		c.say("error: %s", trouble)
	}
	c.trouble = trouble
	return exitNoDaemon
}

// explain prints an error reply for a person, and a hint. name is empty if the request was about no
// service.
func (c *call) explain(name, reply string) {
	if c.format == "table" {
		about := ""
		if name != "" && !strings.Contains(reply, "'"+name+"'") {
			about = name + ": "
		}
		c.say("error: %s%s", about, reply)
	}
	if hint := hint(name, reply); hint != "" {
		c.say("hint: %s", hint)
	}
}

// hint returns what to do about an error reply, or "".
func hint(name, reply string) string {
	needs := func(what string) string {
		return fmt.Sprintf("store/%s/VERSION/package.toml in the daemon's home%s needs %s", name, fromHere(), what)
	}
	switch reply {
	case "package '" + name + "' not found":
		return notFound(name)
	case "package '" + name + "' has no service section":
		return needs("a section [service] with port = NUMBER")
	case "service '" + name + "' has no port configured":
		return needs("port = NUMBER below [service]")
	case "package '" + name + "' has no binary":
		return needs(`binary = "PROGRAM" above [service]`)
	}
	return ""
}

const nameRule = "a package name is words of a-z and 0-9 joined by hyphens, the first character a letter"

// notFound returns why the daemon may not have found a package.
func notFound(name string) string {
	path := receipt(name)
	_, err := os.Stat(path)
	switch {
	case !validName(name):
		return nameRule
	case err == nil:
		return path + " is there, but the daemon's home is another: it is what its -home or $ZR_HOME says"
	}
	return "the daemon looks for modules/" + name + ".json in its home, which is what its -home or $ZR_HOME says, or ~/.zr" + fromHere()
}

// stranger reports whether the command stops a service that is neither listed nor installed, as far
// as zrctl can see.
func (c *call) stranger(name string) bool {
	if c.command.name != "stop" || !lacks(name) {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	a := c.do(ctx, protocol.Request{Request: protocol.Status})
	return a.reply.OK && indexOf(a.reply.Services, name) < 0
}

// advice returns what to do about a service that is not running.
func advice(name string) string {
	switch {
	case !validName(name):
		return nameRule
	case lacks(name):
		return "there is no " + receipt(name)
	}
	return "if it is installed, start it with: zrctl start " + name
}

// validName reports whether a package can have this name.
func validName(name string) bool {
	for word := range strings.SplitSeq(name, "-") {
		if word == "" || strings.Trim(word, "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
			return false
		}
	}
	return name[0] >= 'a' && len(name) <= 100
}

// lacks reports whether the home that zrctl knows can be read and has no package with this name.
func lacks(name string) bool {
	_, err := os.Stat(filepath.Dir(receipt(name)))
	_, missing := os.Lstat(receipt(name))
	return !validName(name) || err == nil && errors.Is(missing, fs.ErrNotExist)
}

// receipt returns the path of a package's receipt in the home that zrctl knows. The daemon's home
// may be another.
func receipt(name string) string {
	return filepath.Join(home(), "modules", filepath.Base(name)+".json")
}

// home returns the home that zrd would have if it were started from here without -home, or "".
func home() string {
	home := os.Getenv("ZR_HOME")
	if user, err := os.UserHomeDir(); home == "" && err == nil {
		home = filepath.Join(user, ".zr")
	}
	return home
}

func fromHere() string {
	if home() == "" {
		return ""
	}
	return " (from here, " + home() + ")"
}
