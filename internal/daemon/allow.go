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

// A Judge returns the user of a client, such as "user 1000", or "" if the user is unknown. If it
// returns an error, that is the only reply that the client gets.
type Judge func(net.Conn) (user string, err error)

// Allow returns the Judge for NewServer. spec is "any", "self" or a list of user names and ids,
// separated by commas. The daemon's own user and root are always allowed. Where the system does not
// tell the users of clients, only "any" and "self" are possible, and both allow every user of the
// machine.
func Allow(spec string, table *sockets.Table) (Judge, error) {
	if spec == "any" || spec == "self" && !sockets.Supported {
		return func(conn net.Conn) (string, error) {
			uid, err := table.PeerUID(conn)
			return userName(uid, err), nil
		}, nil
	}
	if !sockets.Supported {
		return nil, errors.New(`this system does not say who the clients are; use "any"`)
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
	return func(conn net.Conn) (string, error) {
		uid, err := table.PeerUID(conn)
		switch {
		case errors.Is(err, sockets.ErrClosed):
			err = fmt.Errorf("permission denied: %w", err)
		case err != nil:
			err = fmt.Errorf("permission denied: cannot tell who is asking: %w (zrd -allow any serves everybody on this machine)", err)
		case !slices.Contains(allowed, uid):
			err = fmt.Errorf("permission denied: user %d may not speak to this daemon (see zrd -allow)", uid)
		}
		return userName(uid, err), err
	}, nil
}

// userName names a user for the log. It returns "" if err is not nil.
func userName(uid uint32, err error) string {
	if err != nil {
		return ""
	}
	return fmt.Sprintf("user %d", uid)
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
