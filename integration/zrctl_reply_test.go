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
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"zr/internal/protocol"
)

// pretend serves like a daemon that does the same after each line.
func pretend(t *testing.T, do func(net.Conn)) (addr string) {
	t.Helper()
	return serve(t, func(_ string, c net.Conn) { do(c) })
}

// serve serves like a daemon that does something after each line.
func serve(t *testing.T, do func(line string, c net.Conn)) (addr string) {
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
				line, _ := bufio.NewReader(conn).ReadString('\n')
				do(line, conn)
			}()
		}
	}()
	return l.Addr().String()
}

// Without a reply, zrctl exits with 3 and says what to do.
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
		wantResult(t, "ping: "+row.what, ctl(t, "-addr", addr, "-timeout", timeout, "ping"),
			result{"", "error: no reply from " + addr + row.why, 3})
	}
}

// An answer that is not from zrd is an error.
func TestSomebodyElseAnswers(t *testing.T) {
	t.Parallel()
	addr := pretend(t, func(c net.Conn) { io.WriteString(c, "HTTP/1.1 400 Bad Request\r\n") })
	wantResult(t, "ping", ctl(t, "-addr", addr, "ping"), result{"", "error: what answers on " + addr +
		" is not zrd: cannot read the reply: not a JSON object; say where zrd listens with -addr or $ZRD_ADDR\n", 3})
}

// zrctl makes requests for several names side by side. It prints the replies in the order of the
// names, each as soon as it can.
func TestNamesSideBySide(t *testing.T) {
	t.Parallel()
	for _, command := range []string{"start", "stop", "restart"} {
		asked, turns := make(chan string, 10), map[string]chan bool{}
		for _, name := range []string{"a", "b", "c"} {
			turns[name] = make(chan bool)
		}
		addr := serve(t, func(line string, c net.Conn) {
			name := regexp.MustCompile(`"name":"(.)"`).FindStringSubmatch(line)[1]
			if command == "restart" && strings.Contains(line, "stop-service") {
				io.WriteString(c, okLine)
				return
			}
			asked <- name
			<-turns[name]
			io.WriteString(c, errorLine(name))
		})
		var out Log
		cmd := exec.Command(zrctlPath, "-addr", addr, command, "b", "a", "c", "b")
		cmd.Env = append(os.Environ(), "ZR_HOME="+t.TempDir()) // without modules/: nothing is known of these names
		cmd.Stdout = &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		eventually(t, "three requests at once", func() bool { return len(asked) == 3 })
		close(turns["c"])
		close(turns["b"])
		first := errorLine("b")
		eventually(t, "the first reply", func() bool { return out.String() == first })
		close(turns["a"])
		cmd.Wait()
		want(t, command, out.String(), first+errorLine("a")+errorLine("c")+first)
		if len(asked) != 3 {
			t.Errorf("%s: two requests for one name", command)
		}
	}
}

// Many names do not take all 32 places of the daemon.
func TestManyNames(t *testing.T) {
	t.Parallel()
	var now, most atomic.Int32
	addr := serve(t, func(_ string, c net.Conn) {
		for n, m := now.Add(1), most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		time.Sleep(10 * time.Millisecond) // meanwhile others come
		now.Add(-1)
		io.WriteString(c, okLine)
	})
	args := []string{"-addr", addr, "start"}
	for i := range 200 {
		args = append(args, fmt.Sprint("kv-", i))
	}
	wantResult(t, "start", ctl(t, args...), result{strings.Repeat(okLine, 200), "", 0})
	if most.Load() > 24 {
		t.Errorf("%d requests at once", most.Load())
	}
}

// If the stop of a restart fails, its reply is printed and nothing is started.
func TestRestartThatCannotStop(t *testing.T) {
	t.Parallel()
	addr := serve(t, func(line string, c net.Conn) {
		if strings.Contains(line, "start-service") {
			t.Errorf("sent %s", line)
		}
		io.WriteString(c, errorLine("it is still there"))
	})
	wantResult(t, "restart", ctl(t, "-addr", addr, "restart", "kv"), result{errorLine("it is still there"), "", 1})
}

// If there is no reply about one service, the others are still asked for.
func TestEveryNameIsAskedFor(t *testing.T) {
	t.Parallel()
	addr := serve(t, func(line string, c net.Conn) {
		if strings.Contains(line, "kv") {
			io.WriteString(c, portLine(9200))
		}
	})
	wantResult(t, "start web kv", ctl(t, "-addr", addr, "start", "web", "kv"), result{portLine(9200), "error: web: no reply from " + addr +
		": the connection ended before a reply; if the daemon was ending, start it again with zrd\n", 3})
}

// If a reply cannot be printed, zrctl exits with 1.
func TestReplyThatCannotBePrinted(t *testing.T) {
	t.Parallel()
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skipf("no device that is always full: %v", err)
	}
	defer full.Close()
	addr := pretend(t, func(c net.Conn) { io.WriteString(c, okLine) })
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

// A reply is printed byte for byte, even with unknown fields.
func TestReplyAsItCame(t *testing.T) {
	t.Parallel()
	for line, exit := range map[string]int{
		`{"news":[1, 2],"ok":true}`:                     0,
		`{"ok":false,"error":"<no> & \u00e9","hint":1}`: 1,
		` { "ok" : false } `:                            1,
	} {
		addr := pretend(t, func(c net.Conn) { io.WriteString(c, line+"\n") })
		for _, command := range []string{"ping", "status"} {
			wantResult(t, command, ctl(t, "-addr", addr, command), result{line + "\n", "", exit})
		}
	}
}

// The lines that each command sends, byte for byte. Those for several names come in any order.
func TestRequestLines(t *testing.T) {
	t.Parallel()
	for args, lines := range map[string]string{
		"ping":         `{"request":"ping"}`,
		"status":       `{"request":"status"}`,
		"status -v kv": `{"request":"status","verbose":true}`,
		"start kv a-1": `{"request":"start-service","name":"kv"} {"request":"start-service","name":"a-1"}`,
		"start <kv>":   `{"request":"start-service","name":"<kv>"}`,
		"stop <kv>":    `{"request":"status"} {"request":"stop-service","name":"<kv>"}`, // no package can have this name
		"restart kv":   `{"request":"stop-service","name":"kv"} {"request":"start-service","name":"kv"}`,
		"start kv kv":  `{"request":"start-service","name":"kv"}`,
		"shutdown":     `{"request":"shutdown"}`,
	} {
		var mu sync.Mutex
		var got []string
		addr := serve(t, func(line string, c net.Conn) {
			mu.Lock()
			got = append(got, strings.TrimSuffix(line, "\n"))
			mu.Unlock()
			io.WriteString(c, okLine)
		})
		ctl(t, append([]string{"-addr", addr}, strings.Fields(args)...)...)
		wanted := strings.Fields(lines)
		if args != "restart kv" {
			slices.Sort(got)
			slices.Sort(wanted)
		}
		want(t, "zrctl "+args, strings.Join(got, " "), strings.Join(wanted, " "))
	}
}

// -o table prints sentences and aligned columns on standard output, and errors on standard error.
func TestTable(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	kv, web := h.Install("kv", Behaviour{}), h.Install("long-name", Behaviour{})
	d := startDaemon(t, h)
	const nameHint = "hint: " + nameRule + "\n"
	missing := "nobody is not running; there is no " + h.Dir + "/modules/nobody.json\n"
	rows := func(rows ...string) string { return strings.Join(rows, "\n") + "\n" }
	for _, row := range []struct {
		args string
		want result
	}{
		{"ping", result{"the daemon on " + d.Addr + " answers\n", "", 0}},
		{"status", result{"no services\n", "", 0}},
		{"status kv", result{"", "kv is not running; if it is installed, start it with: zrctl start kv\n", 1}},
		{"start kv long-name", result{fmt.Sprintf("kv is running on port %d\nlong-name is running on port %d\n", kv, web), "", 0}},
		{"status", result{rows("NAME       PORT   STATUS", fmt.Sprintf("kv         %d  running", kv), fmt.Sprintf("long-name  %d  running", web)), "", 0}},
		{"status kv nobody", result{rows("NAME  PORT   STATUS", fmt.Sprintf("kv    %d  running", kv)), missing, 1}},
		{"restart kv", result{fmt.Sprintf("kv is running on port %d\n", kv), "", 0}},
		{"stop kv", result{"kv is stopped\n", "", 0}},
		{"stop kv", result{"kv is stopped\n", "", 0}},
		{"start %d", result{"", "error: package '%d' not found\n" + nameHint, 1}},
		{"stop %d", result{"%d is stopped\n", "hint: %d was not running; " + nameRule + "\n", 0}},
		{"shutdown", result{"all services and the daemon are stopped\n", "", 0}},
	} {
		got := untilHint(row.want.errs, func() result { return d.Ctl(append([]string{"-o", "table"}, strings.Fields(row.args)...)...) })
		wantResult(t, row.args, got, row.want)
	}
	d.WaitExit(0)
}

// An error names its service.
func TestErrorsAsATable(t *testing.T) {
	t.Parallel()
	for reply, errs := range map[string]string{
		"health check timeout":                           "error: kv: health check timeout\n",
		"port 9200 is held by service 'web'":             "error: kv: port 9200 is held by service 'web'\n",
		"package 'web' has no binary":                    "error: kv: package 'web' has no binary\n",
		"service 'kv' exited before it was healthy: etc": "error: service 'kv' exited before it was healthy: etc\n",
	} {
		addr := pretend(t, func(c net.Conn) { io.WriteString(c, errorLine(reply)) })
		wantResult(t, "start kv", ctl(t, "-addr", addr, "-o", "table", "start", "kv"), result{"", errs, 1})
	}
}

// The verbose status of a service that runs and a service in its back-off, as a reply and
// as a table.
func TestVerboseStatus(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	port := h.Install("kv", Behaviour{})
	d := startDaemon(t, h)
	d.MustStart("kv", port)
	pid := h.Last("kv", "start")
	got := d.Ctl("status", "-v")
	head := fmt.Sprintf(`{"ok":true,"services":[{"name":"kv","port":%d,"status":"running","pid":%d,`, port, pid)
	if !strings.HasPrefix(got.out, head) || !strings.HasSuffix(got.out, `,"restarts":0,"failures":0,"version":"1.0.0"}]}`+"\n") || got.exit != 0 {
		t.Errorf("zrctl status -v: %q", got)
	}
	h.Behave("kv", Behaviour{ExitAtOnce: number(7)})
	syscall.Kill(pid, syscall.SIGKILL)
	d.WaitFailures("kv", 4) // the next back-off is the longest
	lines := strings.Split(d.Ctl("-v", "-o", "table", "status").out, "\n")
	h.Behave("kv", Behaviour{})
	d.WaitStatus(entry("kv", port, "running"))
	for i, words := range []string{
		"NAME PORT STATUS PID PROCESSES UPTIME RESTARTS FAILURES VERSION NEXT RETRY LAST ERROR",
		fmt.Sprintf(`kv %d starting - - - 3 4 1\.0\.0 [0-9]+s exit status 7, [0-9]+ s ago`, port),
		"",
	} {
		if row := strings.Join(strings.Fields(lines[i]), " "); !regexp.MustCompile("^" + words + "$").MatchString(row) {
			t.Errorf("a row of the table:\n got %q\nwant %q", row, words)
		}
	}
	got = d.Ctl("status", "-v")
	if !strings.Contains(got.out, `"restarts":4,"failures":4,"version":"1.0.0","last_error":"exit status 7, `) {
		t.Errorf("zrctl status -v after a restart: %q", got)
	}
}

// status NAME exits with 1 unless the service runs.
func TestExitOfAStatus(t *testing.T) {
	t.Parallel()
	for status, exit := range map[string]int{"running": 0, "starting": 1, "failed": 1} {
		reply := statusLine(entry("kv", 9200, status))
		addr := pretend(t, func(c net.Conn) { io.WriteString(c, reply) })
		wantResult(t, "status kv", ctl(t, "-addr", addr, "status", "kv"), result{reply, "", exit})
		wantResult(t, "status", ctl(t, "-addr", addr, "status"), result{reply, "", 0})
	}
}

// A table and its errors are bounded lines of printable text, whatever the daemon sends.
func TestTableOfAHostileDaemon(t *testing.T) {
	t.Parallel()
	const evil = "\x1b[2J\x7f\u009b1m\n\u202e"
	long := strings.Repeat("x", 1<<20)
	hostile := protocol.Service{Name: evil + long, Port: -1, Status: evil, Details: &protocol.Details{Version: long, LastError: evil}}
	services := append([]protocol.Service{hostile}, make([]protocol.Service, 1000)...)
	addr := serve(t, func(line string, c net.Conn) {
		if strings.Contains(line, "status") {
			c.Write(protocol.EncodeLine(protocol.Reply{OK: true, Services: services}))
			return
		}
		c.Write(protocol.EncodeLine(protocol.Reply{Error: evil + long}))
	})
	for _, args := range []string{"status", "status -v", "start " + "kv\x1b[2J", "ping"} {
		got := ctl(t, append([]string{"-addr", addr, "-o", "table"}, strings.Fields(args)...)...)
		for line := range strings.Lines(got.out + got.errs) {
			if line = strings.TrimSuffix(line, "\n"); line != protocol.Printable(line) || len(line) > 5000 {
				t.Errorf("zrctl %q printed %.500q", args, line)
			}
		}
	}
}

// Columns are aligned for characters of any width, and times have units.
func TestTableOfTimesAndWideCharacters(t *testing.T) {
	t.Parallel()
	seconds := func(n int) *int { return &n }
	var services []protocol.Service
	for i, n := range []int{0, 59, 310, 3600, 273600} {
		version := []string{"版", "１.0", "1.0\u0301", "🚀", "1"}[i]
		services = append(services, protocol.Service{Name: "kv", Port: 9200, Status: "running",
			Details: &protocol.Details{PID: 7, Processes: 3, Uptime: seconds(n), Version: version, NextRetry: seconds(8), LastError: "é"}})
	}
	addr := pretend(t, func(c net.Conn) { c.Write(protocol.EncodeLine(protocol.Reply{OK: true, Services: services})) })
	got := ctl(t, "-addr", addr, "-o", "table", "status", "-v")
	want(t, "table", got.out, strings.Join([]string{
		"NAME  PORT  STATUS   PID  PROCESSES  UPTIME  RESTARTS  FAILURES  VERSION  NEXT RETRY  LAST ERROR",
		"kv    9200  running  7    3          0s      0         0         版       8s          é",
		"kv    9200  running  7    3          59s     0         0         １.0     8s          é",
		"kv    9200  running  7    3          5m10s   0         0         1.0\u0301      8s          é",
		"kv    9200  running  7    3          1h0m    0         0         🚀       8s          é",
		"kv    9200  running  7    3          3d4h    0         0         1        8s          é", ""}, "\n"))
}

// statusOf answers that these services run.
func statusOf(names ...string) func(string, net.Conn) {
	var entries []string
	for _, name := range names {
		entries = append(entries, entry(name, 9200, "running"))
	}
	return func(_ string, c net.Conn) { io.WriteString(c, statusLine(entries...)) }
}
