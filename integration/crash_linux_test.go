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

// A test binary that is killed leaves no process and no file: neither its daemon nor a service of it, nor what has
// left the service's group, nor what has no parent any more.
func TestNothingOutlivesTheTestBinary(t *testing.T) {
	t.Parallel()
	if os.Getenv("ZR_TEST_CRASH") != "" {
		waitForTheCrash(t)
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestNothingOutlivesTheTestBinary$")
	cmd.Env = append(os.Environ(), "ZR_TEST_CRASH=1", "ZR_TEST_PROGRAMS="+filepath.Dir(zrdPath))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	cmd.Process.Kill()
	cmd.Wait()
	var zrd, service, child, orphan int
	var dir string
	if _, scanErr := fmt.Sscanf(line, "processes %d %d %d %d in %q\n", &zrd, &service, &child, &orphan, &dir); scanErr != nil {
		t.Fatalf("the test binary said %q, %v", line, err)
	}
	for what, pid := range map[string]int{"the daemon": zrd, "the service": service, "its child": child, "the orphan": orphan} {
		if pid <= 0 {
			t.Errorf("%s never ran", what)
		}
		eventually(t, "the end of "+what, func() bool { return !alive(pid) })
	}
	eventually(t, "the end of "+dir, func() bool {
		_, err := os.Stat(dir)
		return os.IsNotExist(err)
	})
}

func waitForTheCrash(t *testing.T) {
	h := newHome(t)
	port := h.Install("kv", Behaviour{LeaveGroup: true})
	d := startDaemon(t, h)
	d.MustStart("kv", port)
	child := h.WaitEvent("kv", "child")
	orphan, err := exec.Command("sh", "-c", "sleep 600 >/dev/null 2>&1 & echo $!").Output()
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("processes %d %d %d %s in %q\n", d.Pid(), h.Last("kv", "start"), child, strings.TrimSpace(string(orphan)), os.TempDir())
	time.Sleep(limit)
}
