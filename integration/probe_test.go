//go:build unix

package integration

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"testing"
)

// A service writes its answer in pieces, and a broken pipe would end it. It passes its checks. They
// leave no TIME_WAIT on its port, which would keep it from binding again.
func TestChecksHarmNobody(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	port := h.Install("kv", Behaviour{Pieces: true}, patient)
	d := startDaemon(t, h, "-health-interval", "100ms")
	d.MustStart("kv", port)
	eventually(t, "ten checks", func() bool { return len(h.Pids("kv", "get")) >= 10 })
	d.WantNoFailure("kv")
	d.MustStop("kv")
	wantNoTimeWait(t, port)
}

// wantNoTimeWait fails if a connection to the port is in TIME_WAIT.
func wantNoTimeWait(t *testing.T, port int) {
	t.Helper()
	f, err := os.Open("/proc/self/net/tcp")
	if err != nil {
		t.Logf("cannot look for connections in TIME_WAIT: %v", err)
		return
	}
	defer f.Close()
	for rows := bufio.NewScanner(f); rows.Scan(); {
		fields := strings.Fields(rows.Text()) // number, local, remote, state
		const timeWait = "06"
		if strings.HasSuffix(fields[1], fmt.Sprintf(":%04X", port)) && fields[3] == timeWait {
			t.Errorf("port %d is in TIME_WAIT: %s", port, rows.Text())
		}
	}
}
