package integration

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// A test binary that is killed leaves no file and no process: no daemon, no service, no child that
// has left the group of its service, and no orphan.
func TestNothingOutlivesTheTestBinary(t *testing.T) {
	t.Parallel()
	if os.Getenv("ZR_TEST_CRASH") != "" {
		waitForTheCrash(t)
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestNothingOutlivesTheTestBinary$")
	cmd.Env = append(os.Environ(), "ZR_TEST_CRASH=1", "ZR_TEST_PROGRAMS="+filepath.Dir(zrdPath))
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	cmd.Process.Kill()
	cmd.Wait()
	pids := make([]int, 4)
	var dir string
	if _, scanErr := fmt.Sscanf(line, "processes %d %d %d %d in %q\n", &pids[0], &pids[1], &pids[2], &pids[3], &dir); scanErr != nil {
		t.Fatalf("the test binary printed %q, %v", line, err)
	}
	for i, what := range []string{"daemon", "service", "child", "orphan"} {
		if pids[i] <= 0 {
			t.Errorf("the %s never ran", what)
		}
		eventually(t, "the end of the "+what, func() bool { return !alive(pids[i]) })
	}
	eventually(t, "the removal of "+dir, func() bool {
		_, err := os.Stat(dir)
		return os.IsNotExist(err)
	})
}

func waitForTheCrash(t *testing.T) {
	h := newHome(t)
	d := startDaemon(t, h)
	d.MustStart("kv", h.Install("kv", Behaviour{LeaveGroup: true}))
	child := h.WaitEvent("kv", "child")
	orphan, err := exec.Command("sh", "-c", "sleep 600 >/dev/null 2>&1 & echo $!").Output()
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("processes %d %d %d %s in %q\n", d.Pid(), h.Last("kv", "start"), child, strings.TrimSpace(string(orphan)), os.TempDir())
	time.Sleep(limit)
}
