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
	everybody := spec == "any" || spec == "self" && !sockets.Supported
	allowed := []uint32{0, uint32(os.Geteuid())}
	switch {
	case everybody, spec == "self":
	case !sockets.Supported:
		return nil, errors.New(`this system does not say who the clients are; use "any"`)
	default:
		for name := range strings.SplitSeq(spec, ",") {
			uid, err := lookUp(name)
			if err != nil {
				return nil, err
			}
			allowed = append(allowed, uid)
		}
	}
	return func(conn net.Conn) (user string, err error) {
		uid, err := table.PeerUID(conn)
		if err == nil {
			user = fmt.Sprintf("user %d", uid)
		}
		switch {
		case everybody:
			return user, nil
		case errors.Is(err, sockets.ErrClosed):
			return "", fmt.Errorf("permission denied: %w", err)
		case err != nil:
			return "", fmt.Errorf("permission denied: cannot tell who is asking: %w"+
				" (zrd -allow any serves everybody on this machine)", err)
		case !slices.Contains(allowed, uid):
			return "", fmt.Errorf("permission denied: %s may not speak to this daemon (see zrd -allow)", user)
		}
		return user, nil
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
