package daemon

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/user"
	"slices"
	"strconv"
	"strings"

	"zr/internal/sockets"
)

// Allow returns the judge of connections for NewServer. spec is "any", "self"
// or a list of user names and ids, separated by commas. The daemon's own user and root
// may always speak. Where the system does not tell who speaks, only "any" and
// "self" are taken, and both let everybody on the machine.
func Allow(spec string, table *sockets.Table) (func(net.Conn) error, error) {
	everybody := func(net.Conn) error { return nil }
	if spec == "any" || spec == "self" && !sockets.Supported {
		return everybody, nil
	}
	if !sockets.Supported {
		return nil, errors.New(`this system does not tell who speaks; use "any"`)
	}
	allowed := []uint32{0, uint32(os.Geteuid())}
	if spec != "self" {
		for name := range strings.SplitSeq(spec, ",") {
			uid, err := lookUp(name)
			if err != nil {
				return nil, err
			}
			allowed = append(allowed, uid)
		}
	}
	return func(conn net.Conn) error {
		uid, err := table.PeerUID(conn)
		switch {
		case errors.Is(err, sockets.ErrClosed):
			return fmt.Errorf("permission denied: %w", err)
		case err != nil:
			return fmt.Errorf("permission denied: cannot tell who is asking: %w (zrd -allow any serves everybody on this machine)", err)
		case !slices.Contains(allowed, uid):
			return fmt.Errorf("permission denied: user %d may not speak to this daemon (see zrd -allow)", uid)
		}
		return nil
	}, nil
}

func lookUp(name string) (uint32, error) {
	id := name
	if u, err := user.Lookup(name); err == nil {
		id = u.Uid
	}
	uid, err := strconv.ParseUint(id, 10, 32)
	if err != nil {
		return 0, fmt.Errorf("unknown user %q", name)
	}
	return uint32(uid), nil
}
