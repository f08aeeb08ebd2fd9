package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	"zr/internal/protocol"
)

// noReply prints why a request was not answered and what to do, unless the last message was the
// same.
func (c *call) noReply(name string, err error) int {
	var op *net.OpError
	var trouble string
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		trouble = fmt.Sprintf("%sno reply from %s within %v: the request may still be under way;"+
			" ask zrctl status, or wait longer with -timeout", about(name), c.addr, c.timeout)
	case errors.As(err, &op) && op.Op == "dial":
		trouble = fmt.Sprintf("no daemon on %s: %v; start one with zrd,"+
			" or say where it listens with -addr or $ZRD_ADDR", c.addr, op.Err)
	case errors.Is(err, protocol.ErrNoReply):
		trouble = fmt.Sprintf("what answers on %s is not zrd: %v;"+
			" say where zrd listens with -addr or $ZRD_ADDR", c.addr, err)
	default:
		trouble = fmt.Sprintf("%sno reply from %s: %v;"+
			" if the daemon was ending, start it again with zrd", about(name), c.addr, err)
	}
	if trouble != c.trouble {
		c.say("error: %s", trouble)
	}
	c.trouble = trouble
	return exitNoDaemon
}

// about begins a message about a service. name is empty if the message is about none.
func about(name string) string {
	if name == "" {
		return ""
	}
	return name + ": "
}

const nameRule = "a package name is words of a-z and 0-9 joined by hyphens," +
	" the first character a letter"

// errorHint returns what to do about an error reply, or "".
func errorHint(name, reply string) string {
	needs := "store/" + name + "/VERSION/package.toml in the daemon's home" + fromHere() + " needs "
	switch reply {
	case "package '" + name + "' not found":
		return notFoundHint(name)
	case "package '" + name + "' has no service section":
		return needs + "a section [service] with port = NUMBER"
	case "service '" + name + "' has no port configured":
		return needs + "port = NUMBER below [service]"
	case "package '" + name + "' has no binary":
		return needs + `binary = "PROGRAM" above [service]`
	}
	return ""
}

// notFoundHint returns why the daemon may not have found a package.
func notFoundHint(name string) string {
	switch path, there, _ := find(name); {
	case !protocol.ValidName(name):
		return nameRule
	case there:
		return path + " is there, but the daemon's home is another: it is what its -home or $ZR_HOME says"
	}
	return "the daemon looks for modules/" + name + ".json in its home," +
		" which is what its -home or $ZR_HOME says, or ~/.zr" + fromHere()
}

// absenceHint returns what to do about a service that is not running.
func absenceHint(name string) string {
	switch path, _, lacks := find(name); {
	case !protocol.ValidName(name):
		return nameRule
	case lacks:
		return "there is no " + path
	}
	return "if it is installed, start it with: zrctl start " + name
}

// unknown reports whether a service is neither listed nor installed, as far as zrctl can see.
func (c *call) unknown(name string) bool {
	if _, _, lacks := find(name); !lacks {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	a := c.do(ctx, protocol.Request{Request: protocol.Status})
	return a.reply.OK && indexOf(a.reply.Services, name) < 0
}

// find looks for the receipt of a package in the home that zrd would have if it were started from
// here without -home. The daemon's home may be another. there means that the home has the receipt,
// lacks that it has not, or that the name is invalid. Neither is true if the home cannot be read.
func find(name string) (path string, there, lacks bool) {
	home, _ := protocol.DefaultHome()
	modules := filepath.Join(home, "modules")
	path = filepath.Join(modules, filepath.Base(name)+".json")
	_, unreadable := os.Stat(modules)
	_, err := os.Lstat(path)
	lacks = unreadable == nil && errors.Is(err, fs.ErrNotExist)
	return path, err == nil, lacks || !protocol.ValidName(name)
}

func fromHere() string {
	home, err := protocol.DefaultHome()
	if err != nil {
		return ""
	}
	return " (from here, " + home + ")"
}
