//go:build unix

package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// logOf returns the lines of the log that name a service.
func (d *Daemon) logOf(name string) string {
	var lines strings.Builder
	for line := range strings.Lines(d.Log.String()) {
		if strings.Contains(line, "'"+name+"'") {
			lines.WriteString(line)
		}
	}
	return lines.String()
}

// wantLog fails unless the lines about a service match this regular expression.
func (d *Daemon) wantLog(name, pattern string) {
	d.t.Helper()
	if log := d.logOf(name); !regexp.MustCompile("^" + pattern + "$").MatchString(log) {
		d.t.Errorf("the log of %s:\n%s\nwant\n%s", name, log, pattern)
	}
}

// The words of the log, and the seconds of the back-off. Other tests look at the status and at
// effects.
func TestLogLines(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	kv, lost := h.Install("kv", Behaviour{}), h.Install("lost", Behaviour{})
	d := startDaemon(t, h)
	d.MustStart("kv", kv)
	d.MustStart("lost", lost)
	h.Behave("kv", Behaviour{ExitAtOnce: number(7)})
	h.Kill("kv")
	receipt := filepath.Join(h.Dir, "modules/lost.json")
	if err := os.Rename(receipt, receipt+".away"); err != nil {
		t.Fatal(err)
	}
	h.Kill("lost")
	d.WaitFailures("lost", 2)
	if err := os.Rename(receipt+".away", receipt); err != nil {
		t.Fatal(err)
	}
	d.WaitStatus(entry("lost", lost, "running"))
	d.MustStop("lost")
	d.WaitStatus(entry("kv", kv, "failed"))
	failure(t, d.Start("kv"))
	d.Signal(syscall.SIGTERM)
	d.WaitExit(0)
	<-d.mute // the log is complete

	started := func(name string, port int) string {
		return fmt.Sprintf("daemon: started service '%s' on port %d\n", name, port)
	}
	failed := func(name string, n int, why, next string) string {
		return fmt.Sprintf("daemon: service '%s' unhealthy \\(failure %d/5\\): %s\ndaemon: %s\n", name, n, why, next)
	}
	const lostAgain = "(daemon: failed to restart 'lost': package 'lost' not found\n" +
		"daemon: service 'lost' unhealthy \\(failure ./5\\): package 'lost' not found\n" +
		"daemon: restarting 'lost' in .s\n)+"
	d.wantLog("lost", started("lost", lost)+failed("lost", 1, "signal: killed", "restarting 'lost' in 1s")+lostAgain+
		"daemon: service 'lost' restarted successfully\ndaemon: stopping service 'lost'\n")
	const notHealthy = "daemon: service 'kv' failed health check after restart\n"
	d.wantLog("kv", started("kv", kv)+failed("kv", 1, "signal: killed", "restarting 'kv' in 1s")+
		notHealthy+failed("kv", 2, "exit status 7", "restarting 'kv' in 2s")+
		notHealthy+failed("kv", 3, "exit status 7", "restarting 'kv' in 4s")+
		notHealthy+failed("kv", 4, "exit status 7", "restarting 'kv' in 8s")+
		notHealthy+failed("kv", 5, "exit status 7", "service 'kv' marked as failed after 5 consecutive failures")+
		started("kv", kv)+"daemon: failed to start 'kv': exited before it was healthy: exit status 7\n")
	log := d.Log.String()
	if !strings.HasPrefix(log, "daemon: listening on "+d.Addr+"\n") || !strings.HasSuffix(log, "\ndaemon: SIGTERM\ndaemon: stopped\n") {
		t.Errorf("the first or the last lines of the log are wrong:\n%s", log)
	}
}
