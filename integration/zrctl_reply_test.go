//go:build unix

package integration

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// pretend serves as a daemon that does the same to every connection, after it has read a line.
func pretend(t *testing.T, do func(net.Conn)) (addr string) {
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
			go func() {
				defer conn.Close()
				bufio.NewReader(conn).ReadString('\n')
				do(conn)
			}()
		}
	}()
	return l.Addr().String()
}

// A daemon that does not answer is 3, and so is one that hangs up or talks nonsense; each is told with what to do.
func TestNoReply(t *testing.T) {
	t.Parallel()
	says := func(words string) func(net.Conn) { return func(c net.Conn) { io.WriteString(c, words) } }
	silent := func(c net.Conn) { io.Copy(io.Discard, c) }
	const again = "; if the daemon was ending, start it again with zrd\n"
	for _, row := range []struct {
		what string
		do   func(net.Conn)
		why  string
	}{
		{"silence", silent, " within 200ms: the request may still be under way; ask zrctl status, or wait longer with -timeout\n"},
		{"half a line", func(c net.Conn) { io.WriteString(c, `{"ok":`); silent(c) }, " within 200ms: the request may still be under way; ask zrctl status, or wait longer with -timeout\n"},
		{"nothing", says(""), ": the connection ended before a reply" + again},
		{"half a line and the end", says(`{"ok":true`), ": the connection ended before a reply" + again},
	} {
		addr := pretend(t, row.do)
		timeout := "200ms"
		if row.why[:3] != " wi" {
			timeout = limit.String()
		}
		wantResult(t, "ping: "+row.what, ctlResult(t, "-addr", addr, "-timeout", timeout, "ping"),
			result{"", "error: no reply from " + addr + row.why, 3})
	}
}

// What answers, but not as zrd does, is another program.
func TestSomebodyElseAnswers(t *testing.T) {
	t.Parallel()
	addr := pretend(t, func(c net.Conn) { io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n") })
	wantResult(t, "ping", ctlResult(t, "-addr", addr, "ping"), result{"", "error: what answers on " + addr +
		" is not zrd: cannot read the reply: invalid character 'H' looking for beginning of value; say where zrd listens with -addr or $ZRD_ADDR\n", 3})
}

// One service that takes too long does not keep the others from being asked for.
func TestEveryNameIsAskedFor(t *testing.T) {
	t.Parallel()
	asked := make(chan string, 2)
	addr := pretend(t, func(c net.Conn) {
		line, _ := bufio.NewReader(c).ReadString('\n')
		asked <- line
		io.Copy(io.Discard, c)
	})
	got := ctlResult(t, "-addr", addr, "-timeout", "200ms", "start", "web", "kv")
	if got.exit != 3 {
		t.Errorf("exit status %d", got.exit)
	}
	eventually(t, "the request for the second name", func() bool { return len(asked) == 2 })
}

// A reply that cannot be printed is no success.
func TestReplyThatCannotBePrinted(t *testing.T) {
	t.Parallel()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skipf("no device that is always full: %v", err)
	}
	defer full.Close()
	addr := pretend(t, func(c net.Conn) { io.WriteString(c, `{"ok":true}`+"\n") })
	for _, args := range []string{"ping", "-o table ping", "status", "-o table status", "-o table start kv", "status -watch", "status -watch -o json", "-h", "-version"} {
		var errs strings.Builder
		cmd := exec.Command(zrctlPath, append([]string{"-addr", addr}, strings.Fields(args)...)...)
		cmd.Stdout, cmd.Stderr = full, &errs
		cmd.Run()
		if status := cmd.ProcessState.ExitCode(); status != 1 || strings.Count(errs.String(), "error: cannot print: ") != 1 {
			t.Errorf("zrctl %s: exit status %d, error %q", args, status, errs.String())
		}
	}
}

// A reply is printed as it came, with what this zrctl has never heard of.
func TestReplyAsItCame(t *testing.T) {
	t.Parallel()
	for line, exit := range map[string]int{
		`{"news":[1, 2],"ok":true}`:                     0,
		`{"ok":false,"error":"<no> & \u00e9","hint":1}`: 1,
		` { } `: 1,
	} {
		addr := pretend(t, func(c net.Conn) { io.WriteString(c, line+"\n") })
		for _, command := range []string{"ping", "status"} {
			wantResult(t, command, ctlResult(t, "-addr", addr, command), result{line + "\n", "", exit})
		}
	}
}

// The request lines of each command, byte for byte.
func TestRequestLines(t *testing.T) {
	t.Parallel()
	for args, lines := range map[string]string{
		"ping":         `{"request":"ping"}`,
		"status":       `{"request":"status"}`,
		"status -v kv": `{"request":"status","verbose":true}`,
		"start kv a-1": `{"request":"start-service","name":"kv"} {"request":"start-service","name":"a-1"}`,
		"stop <kv>":    `{"request":"stop-service","name":"<kv>"}`,
		"shutdown":     `{"request":"shutdown"}`,
	} {
		var got []string
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		l.(*net.TCPListener).SetDeadline(time.Now().Add(limit))
		done := make(chan result)
		go func() { done <- ctlResult(t, append([]string{"-addr", l.Addr().String()}, strings.Fields(args)...)...) }()
		for range strings.Fields(lines) {
			conn, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			line, _ := bufio.NewReader(conn).ReadString('\n')
			got = append(got, strings.TrimSuffix(line, "\n"))
			io.WriteString(conn, `{"ok":true}`+"\n")
			conn.Close()
		}
		<-done
		l.Close()
		want(t, "zrctl "+args, strings.Join(got, " "), lines)
	}
}

// What -o table makes of replies: sentences and aligned columns on standard output, errors on standard error.
func TestTable(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	kv, web := h.Install("kv", Behaviour{}), h.Install("long-name", Behaviour{})
	d := startDaemon(t, h)
	const nameHint = "hint: a package name is lower-case words of a-z and 0-9 joined by hyphens\n"
	rows := func(rows ...string) string { return strings.Join(rows, "\n") + "\n" }
	for _, row := range []struct {
		args string
		want result
	}{
		{"ping", result{"the daemon on " + d.Addr + " answers\n", "", 0}},
		{"status", result{"no services\n", "", 0}},
		{"status kv", result{"", "kv is not running; start it with: zrctl start kv\n", 1}},
		{"start kv long-name", result{fmt.Sprintf("kv is running on port %d\nlong-name is running on port %d\n", kv, web), "", 0}},
		{"status", result{rows("NAME       PORT   STATUS", fmt.Sprintf("kv         %d  running", kv), fmt.Sprintf("long-name  %d  running", web)), "", 0}},
		{"status kv nobody", result{rows("NAME  PORT   STATUS", fmt.Sprintf("kv    %d  running", kv)), "nobody is not running; start it with: zrctl start nobody\n", 1}},
		{"stop kv", result{"kv is stopped\n", "", 0}},
		{"stop kv", result{"kv is stopped\n", "", 0}},
		{"start %d", result{"", "error: package '%d' not found\n" + nameHint, 1}},
		{"stop %d", result{"%d is stopped\n", "", 0}},
		{"shutdown", result{"all services and the daemon are stopped\n", "", 0}},
	} {
		wantResult(t, row.args, d.result(append([]string{"-o", "table"}, strings.Fields(row.args)...)...), row.want)
	}
	d.WaitExit(0)
}

// An error in words says whose it is.
func TestErrorsAsATable(t *testing.T) {
	t.Parallel()
	for reply, errs := range map[string]string{
		"health check timeout":                           "error: kv: health check timeout\n",
		"port 9200 is held by service 'web'":             "error: kv: port 9200 is held by service 'web'\n",
		"package 'kv' has no binary":                     "error: package 'kv' has no binary\n",
		"service 'kv' exited before it was healthy: etc": "error: service 'kv' exited before it was healthy: etc\n",
	} {
		addr := pretend(t, func(c net.Conn) { io.WriteString(c, errorLine(reply)) })
		wantResult(t, "start kv", ctlResult(t, "-addr", addr, "-o", "table", "start", "kv"), result{"", errs, 1})
	}
}

// Verbose status, as a reply and as a table: of one that runs and one that waits for its restart.
func TestVerboseStatus(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	port := h.Install("kv", Behaviour{})
	d := startDaemon(t, h)
	d.MustStart("kv", port)
	pid := h.Last("kv", "start")
	got := d.result("status", "-v")
	head := fmt.Sprintf(`{"ok":true,"services":[{"name":"kv","port":%d,"status":"running","pid":%d,"uptime_s":`, port, pid)
	if !strings.HasPrefix(got.out, head) || !strings.HasSuffix(got.out, `,"restarts":0,"failures":0,"version":"1.0.0"}]}`+"\n") || got.exit != 0 {
		t.Errorf("zrctl status -v: %q", got)
	}
	h.Behave("kv", Behaviour{ExitAtOnce: number(7)})
	syscall.Kill(pid, syscall.SIGKILL)
	d.WaitLog("daemon: restarting 'kv' in 8s\n") // long enough to look
	lines := strings.Split(d.result("-v", "-o", "table", "status").out, "\n")
	h.Behave("kv", Behaviour{})
	d.WaitLog("daemon: service 'kv' restarted successfully\n")
	for i, words := range []string{
		"NAME PORT STATUS PID UPTIME RESTARTS FAILURES VERSION NEXT RETRY LAST ERROR",
		fmt.Sprintf(`kv %d starting - - 3 4 1\.0\.0 [0-9]s exit status 7, [0-9]+ s ago`, port),
		"",
	} {
		if row := strings.Join(strings.Fields(lines[i]), " "); !regexp.MustCompile("^" + words + "$").MatchString(row) {
			t.Errorf("a row of the table:\n got %q\nwant %q", row, words)
		}
	}
	got = d.result("status", "-v")
	if !strings.Contains(got.out, `"restarts":4,"failures":4,"version":"1.0.0","last_error":"exit status 7, `) {
		t.Errorf("zrctl status -v after a restart: %q", got)
	}
}

// A service that status is asked for is running, or the exit status is 1.
func TestExitOfAStatus(t *testing.T) {
	t.Parallel()
	for status, exit := range map[string]int{"running": 0, "starting": 1, "failed": 1} {
		reply := statusLine(entry("kv", 9200, status))
		addr := pretend(t, func(c net.Conn) { io.WriteString(c, reply) })
		wantResult(t, "status kv", ctlResult(t, "-addr", addr, "status", "kv"), result{reply, "", exit})
		wantResult(t, "status", ctlResult(t, "-addr", addr, "status"), result{reply, "", 0})
	}
}
