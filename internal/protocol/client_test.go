package protocol

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// listen runs a server that serves one connection after the other, and returns its address.
func listen(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serve(conn)
			conn.Close()
		}
	}()
	return l.Addr().String()
}

// replying returns a server that takes a line and writes reply.
func replying(reply string) func(net.Conn) {
	return func(conn net.Conn) {
		bufio.NewReader(conn).ReadString('\n')
		io.WriteString(conn, reply)
	}
}

func TestDo(t *testing.T) {
	t.Parallel()
	received := make(chan string, 1)
	addr := listen(t, func(conn net.Conn) {
		line, _ := bufio.NewReader(conn).ReadString('\n')
		received <- line
		io.WriteString(conn, `{"ok":true,"port":9200,"services":[{"name":"kv","port":9200,"status":"running","pid":7}]}`+"\n")
	})
	reply, line, err := Do(t.Context(), addr, Request{Request: Start, Name: "kv\xff"})
	if err != nil {
		t.Fatal(err)
	}
	if got := <-received; got != `{"request":"start-service","name":"kv�"}`+"\n" {
		t.Errorf("sent %q", got)
	}
	if !reply.OK || reply.Port != 9200 || len(reply.Services) != 1 || reply.Services[0].PID != 7 {
		t.Errorf("got %+v", reply)
	}
	if !strings.HasSuffix(string(line), "}]}\n") {
		t.Errorf("the line is not as it came: %q", line)
	}
}

func TestDoBigReply(t *testing.T) {
	t.Parallel()
	services := make([]Service, 20000)
	for i := range services {
		services[i] = Service{Name: fmt.Sprintf("service-%d", i), Port: 1 + i, Status: "running"}
	}
	addr := listen(t, replying(string(EncodeLine(Reply{OK: true, Services: services}))))
	reply, _, err := Do(t.Context(), addr, Request{Request: Status})
	if err != nil || len(reply.Services) != len(services) {
		t.Errorf("got %d services, %v", len(reply.Services), err)
	}
}

func TestDoWithoutReply(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ about, reply, want string }{
		{"closed at once", "", "the connection ended before a reply"},
		{"half a reply", `{"ok":tr`, "the connection ended before a reply"},
		{"no JSON", "220 mail ready\r\n", "cannot read the reply: "},
		{"other JSON", "[1]\n", "cannot read the reply: "},
		{"null", "null\n", "cannot read the reply: not a JSON object"},
		{"no result", `{"OK":true}` + "\n", "cannot read the reply: missing field `ok`"},
		{"null as its result", `{"ok":null}` + "\n", "cannot read the reply: field `ok` is not true or false"},
		{"wrong type", `{"ok":1}` + "\n", "cannot read the reply: field `ok` is not true or false"},
		{"twice", `{"ok":false,"ok":true}` + "\n", "cannot read the reply: duplicate field `ok`"},
		{"services of another type", `{"ok":true,"services":{}}` + "\n", "cannot read the reply: not a JSON array"},
		{"a service of another type", `{"ok":true,"services":[1]}` + "\n", "cannot read the reply: not a JSON object"},
		{"a field of a service of another type", `{"ok":true,"services":[{"port":"1"}]}` + "\n",
			"cannot read the reply: field `port` is not a whole number"},
		{"more services than ports", `{"ok":true,"services":[` + strings.Repeat("{},", 1<<16) + "{}]}\n",
			"cannot read the reply: more than 65536 services"},
		{"endless", strings.Repeat("x", maxReply+1), "a reply of over 16 MiB"},
	} {
		_, line, err := Do(t.Context(), listen(t, replying(c.reply)), Request{Request: Ping})
		if err == nil || !strings.HasPrefix(err.Error(), c.want) || line != nil {
			t.Errorf("%s: got %q, %v; want %q", c.about, line, err, c.want)
		}
	}
}

// Only the exact names of fields count.
func TestDoExactNames(t *testing.T) {
	t.Parallel()
	addr := listen(t, replying(`{"ok":false,"OK":true,"Port":1,`+
		`"services":[{"name":"kv","NAME":"x","\u017ftatus":"y","PID":2}],"SERVICES":null}`+"\n"))
	reply, _, err := Do(t.Context(), addr, Request{Request: Status})
	if err != nil || reply.OK || reply.Port != 0 || !slices.Equal(reply.Services, []Service{{Name: "kv"}}) {
		t.Errorf("got %+v, %v", reply, err)
	}
}

// Whatever a reply holds, reading it takes memory in proportion to its size.
func TestDoMemory(t *testing.T) {
	for _, unit := range []string{"{},", "[],", `{"name":"a","restarts":1},`, `"",`, "0,"} {
		for _, format := range []string{`{"ok":true,"services":[%s{}]}`, `{"ok":true,"other":[%s0]}`} {
			line := fmt.Appendf(nil, format, strings.Repeat(unit, 256<<10/len(unit)))
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			reply, err := decodeReply(line)
			runtime.GC()
			runtime.ReadMemStats(&after)
			if held := int64(after.HeapAlloc) - int64(before.HeapAlloc); held > 8<<20 {
				t.Errorf("%.40q holds %d MiB; %d services, %v", line, held>>20, len(reply.Services), err)
			}
		}
	}
}

func TestDoTimeout(t *testing.T) {
	t.Parallel()
	for _, reply := range []string{"", `{"ok":true`} {
		released := make(chan struct{})
		addr := listen(t, func(conn net.Conn) {
			replying(reply)(conn)
			<-released
		})
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		if _, _, err := Do(ctx, addr, Request{Request: Ping}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("after %q: got %v", reply, err)
		}
		cancel()
		close(released)
	}
}

func TestDoWithoutDaemon(t *testing.T) {
	t.Parallel()
	client, err := net.Dial("tcp", listen(t, func(net.Conn) {}))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	// No program can listen on the port of a connection.
	_, _, err = Do(t.Context(), client.LocalAddr().String(), Request{Request: Ping})
	var op *net.OpError
	if !errors.As(err, &op) || op.Op != "dial" {
		t.Errorf("got %v", err)
	}
}
