//go:build unix

package integration

import (
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

const okLine = `{"ok":true}` + "\n"

// errorLine is the reply with an error, which must need no escapes.
func errorLine(text string) string { return `{"ok":false,"error":"` + text + `"}` + "\n" }

func portLine(port int) string { return fmt.Sprintf(`{"ok":true,"port":%d}`+"\n", port) }

// statusLine is the reply to status.
func statusLine(entries ...string) string {
	return `{"ok":true,"services":[` + strings.Join(entries, ",") + "]}\n"
}

func entry(name string, port int, state string) string {
	return fmt.Sprintf(`{"name":"%s","port":%d,"status":"%s"}`, name, port, state)
}

// converse sends input without ending it, and returns the answer.
func converse(t *testing.T, addr, input string) string {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(limit))
	if _, err := io.WriteString(conn, input); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		t.Errorf("%.100q: got %q, then %v", input, answer, err)
	}
	return string(answer)
}

// Each request, and lines that are not requests, one after the other.
func TestRequestTable(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	kv, web, ape := h.Install("kv", Behaviour{}), h.Install("web", Behaviour{}), h.Install("ape", Behaviour{})
	h.Install("late", Behaviour{})
	d := startDaemon(t, h)
	running := []string{entry("ape", ape, "running"), entry("kv", kv, "running"), entry("web", web, "running")}
	for _, row := range []struct{ request, reply string }{
		{`{"request":"ping"}`, okLine},
		{`{"request":"status"}`, statusLine()},
		{`{"request":"start-service","name":"web"}`, portLine(web)},
		{`{"request":"start-service","name":"ape"}`, portLine(ape)},
		{`{"request":"start-service","name":"kv"}`, portLine(kv)},
		{`{"request":"start-service","name":"kv"}`, portLine(kv)},
		{`{"request":"status"}`, statusLine(running...)},
		{`{"request":"status","name":"kv"}`, statusLine(running...)},
		{`{"request":"status","verbose":false}`, statusLine(running...)},
		{`{"request":"stop-service","name":"ape"}`, okLine},
		{`{"request":"stop-service","name":"ape"}`, okLine},
		{`{"request":"stop-service","name":"nobody"}`, okLine},
		{`{"request":"stop-service","name":"../../etc/passwd"}`, okLine},
		{`{"request":"stop-service","name":""}`, okLine},
		{`{"request":"stop-service","name":null}`, okLine},
		{`{"request":"stop-service"}`, okLine},
		{`{"request":"status"}`, statusLine(running[1:]...)},
		{`{"request":"restart-service","name":"kv"}`, errorLine("unknown request: restart-service")},
		{`{"request":"PING"}`, errorLine("unknown request: PING")},
		{`{"request":" ping"}`, errorLine("unknown request:  ping")},
		{`{"request":""}`, errorLine("unknown request: ")},
		{`{"request":"<a>&é"}`, errorLine("unknown request: <a>&é")},
		{`{"request":"a\"b\\\n"}`, errorLine(`unknown request: a\"b\\\n`)},
		{``, errorLine("invalid daemon request: an empty line")},
		{`ping`, errorLine("invalid daemon request: not a JSON object")},
		{"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", errorLine("invalid daemon request: not UTF-8")}, // TLS
		{`{"request":"start-service","name":"late"`, errorLine("invalid daemon request: unexpected end of the line")},
		{`{"request":["start-service"],"name":"late"}`, errorLine("invalid daemon request: field `request` is not a string")},
		{`{"request":"start-service","name":"late"}{}`, errorLine("invalid daemon request: more than one JSON object")},
		{`{"request":"start-service","NAME":"late"}`, errorLine("missing service name")},
		{`{"request":"status"}`, statusLine(running[1:]...)},
		{`{"request":"shutdown"}`, okLine},
	} {
		want(t, row.request, d.Ask(row.request), row.reply)
	}
	d.WaitExit(0)
}

// However a line ends, it gets a reply, after which the daemon closes the connection.
func TestFormsOfALine(t *testing.T) {
	t.Parallel()
	d := startDaemon(t, newHome(t))
	const line = `{"request":"ping","extra":[1,{"request":"shutdown"}]}`
	for _, end := range []string{"\n", "\r\n", " \r\n"} {
		want(t, fmt.Sprintf("%q without the end of input", end), converse(t, d.Addr, line+end), okLine)
	}
	for _, end := range []string{"", "\r", "\n", "\r\n"} {
		got, err := ask(d.Addr, line+end)
		if err != nil {
			t.Error(err)
		}
		want(t, fmt.Sprintf("%q and the end of input", end), got, okLine)
	}
}

func TestLineInPieces(t *testing.T) {
	t.Parallel()
	d := startDaemon(t, newHome(t))
	conn, err := net.Dial("tcp", d.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, b := range []byte(`{"request":"ping"}` + "\n") {
		if _, err := conn.Write([]byte{b}); err != nil {
			t.Fatal(err)
		}
	}
	conn.SetDeadline(time.Now().Add(limit))
	got, err := io.ReadAll(conn)
	if err != nil {
		t.Error(err)
	}
	want(t, "ping byte by byte", string(got), okLine)
}

func TestLineLimit(t *testing.T) {
	t.Parallel()
	const most = 64 << 10
	d := startDaemon(t, newHome(t))
	padded := func(n int) string {
		const ends = `{"request":"ping","pad":""}`
		return strings.Replace(ends, `""`, `"`+strings.Repeat("x", n-len(ends))+`"`, 1)
	}
	tooLong := errorLine("invalid daemon request: a line of over 64 KiB")
	for _, n := range []int{4 << 10, most} {
		want(t, fmt.Sprint(n, " bytes"), converse(t, d.Addr, padded(n)+"\n"), okLine)
	}
	for _, n := range []int{most + 1, 2 * most} {
		want(t, fmt.Sprint(n, " bytes"), converse(t, d.Addr, padded(n)+"\n"), tooLong)
	}
	want(t, "no newline within the limit", converse(t, d.Addr, strings.Repeat("x", most+1)), tooLong)
}

// The daemon does not read a second line as a request, and it costs the client no reply.
func TestOneRequestAConnection(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.Install("kv", Behaviour{})
	d := startDaemon(t, h)
	const ping = `{"request":"ping"}` + "\n"
	for _, rest := range []string{
		`{"request":"shutdown"}` + "\n",
		`{"request":"start-service","name":"kv"}` + "\n",
		strings.Repeat("x", 100_000), // which the daemon must read within a second
	} {
		for range 10 {
			want(t, fmt.Sprintf("ping and %.50q", rest), converse(t, d.Addr, ping+rest), okLine)
			want(t, fmt.Sprintf("nonsense and %.50q", rest), converse(t, d.Addr, "x\n"+rest),
				errorLine("invalid daemon request: not a JSON object"))
		}
	}
	want(t, "status", d.Status(), statusLine())
	if starts := h.Pids("kv", "start"); len(starts) > 0 {
		t.Errorf("the second line of a connection started kv: processes %v", starts)
	}
}
