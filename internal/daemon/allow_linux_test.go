package daemon

import (
	"net"
	"os"
	"strings"
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

// The daemon's own user may speak, whoever else may; what cannot be told apart may not,
// unless anybody may.
func TestAllow(t *testing.T) {
	t.Parallel()
	table := sockets.Open()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	own, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
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
	const cannotTell = "permission denied: cannot tell who is asking: the system does not tell whose a socket is (zrd -allow any serves everybody on this machine)"
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

// The same over the whole server.
func TestAllowServes(t *testing.T) {
	t.Parallel()
	allow, err := Allow("self", sockets.Open())
	if err != nil {
		t.Fatal(err)
	}
	s := serve(t, &fakeServices{}, allow, 8)
	if got := s.ask(t, `{"request":"ping"}`+"\n"); !strings.HasPrefix(got, `{"ok":true`) {
		t.Errorf("user %d got %s", os.Geteuid(), got)
	}
}
