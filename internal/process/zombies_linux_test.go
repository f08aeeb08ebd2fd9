package process

import (
	"os"
	"os/exec"
	"syscall"
	"testing"
)

// A group of zombies is no group: an init that is slow to reap must hold up nobody.
func TestZombiesAreNotAlive(t *testing.T) {
	t.Parallel()
	cmd := exec.Command(os.Args[0], rolePrefix+"sleep", "")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	group := cmd.Process.Pid
	if !groupLives(group) {
		t.Error("a group with a sleeping process does not live")
	}
	cmd.Process.Kill()
	eventually(t, "the death of the group, which nobody has reaped", func() bool { return !groupLives(group) })
	if err := syscall.Kill(-group, 0); err != nil {
		t.Errorf("its zombie is not there: %v", err)
	}
	cmd.Wait()
}
