package daemon

import (
	"net"
	"testing"

	"zr/internal/sockets"
)

func TestAllowParsing(t *testing.T) {
	t.Parallel()
	table := sockets.Open()
	for _, spec := range []string{"any", "self", "root", "0", "12345", "root,12345", "4294967295"} {
		if _, err := Allow(spec, table); err != nil {
			t.Errorf("%q: %v", spec, err)
		}
	}
	for spec, want := range map[string]string{
		"": `unknown user ""`, "no-such-user": `unknown user "no-such-user"`, "root,": `unknown user ""`, "root, 0": `unknown user " 0"`,
		"-1": `unknown user "-1"`, "4294967296": `unknown user "4294967296"`, "Any": `unknown user "Any"`,
	} {
		if _, err := Allow(spec, table); err == nil || err.Error() != want {
			t.Errorf("%q: got %v, want %s", spec, err, want)
		}
	}
}

// The daemon's own user is always allowed. A client without a known user is only allowed with
// -allow any.
func TestAllow(t *testing.T) {
	t.Parallel()
	table := sockets.Open()
	client, own := connected(t)
	defer own.Close()
	unknown, _ := net.Pipe()
	judge := func(spec string, conn net.Conn, want string) {
		t.Helper()
		allow, err := Allow(spec, table)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if _, err := allow(conn); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("-allow %s: got %q, want %q", spec, got, want)
		}
	}
	const cannotTell = "permission denied: cannot tell who is asking: the system does not tell the owner of a socket (zrd -allow any serves everybody on this machine)"
	for _, spec := range []string{"any", "self", "12345"} {
		judge(spec, own, "")
	}
	judge("any", unknown, "")
	judge("self", unknown, cannotTell)
	judge("12345", unknown, cannotTell)
	client.Close()
	judge("self", own, "permission denied: the client closed its end before it could be identified")
	judge("any", own, "")
}
