package systemd

import (
	"fmt"
	"os"
	"testing"
)

func TestNotifyAbstract(t *testing.T) {
	testNotify(t, fmt.Sprintf("@zr-systemd-test-%d", os.Getpid()))
}
