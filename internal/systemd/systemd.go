// Package systemd speaks the three protocols between systemd, or a manager
// that imitates it, and a daemon that it runs: notification, watchdog and
// socket activation. Without such a manager every function finds
// nothing to do. See sd_notify(3), sd_watchdog_enabled(3) and sd_listen_fds(3).
//
// The variables that it reads are meant for one process. It leaves them in
// place; whoever starts others must not pass them on.
package systemd

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// sendTimeout bounds the wait for a manager that is behind with its reading.
const sendTimeout = 5 * time.Second

// Notified tells whether a manager wants to be notified.
func Notified() bool { return os.Getenv("NOTIFY_SOCKET") != "" }

// Notify sends assignments such as "READY=1" to the manager, together as one
// message. Without a manager that wants it, it does nothing.
func Notify(assignments ...string) error {
	addr := os.Getenv("NOTIFY_SOCKET")
	if addr == "" {
		return nil
	}
	if addr[0] != '/' && addr[0] != '@' { // "@": the abstract name space, as package net has it too
		return fmt.Errorf("NOTIFY_SOCKET=%s is of an unknown kind", addr)
	}
	conn, err := net.Dial("unixgram", addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetWriteDeadline(time.Now().Add(sendTimeout))
	_, err = conn.Write([]byte(strings.Join(assignments, "\n")))
	return err
}

// Watchdog returns the time within which the manager wants to hear "WATCHDOG=1" from
// this process again and again, or 0 if it does not.
func Watchdog() (time.Duration, error) {
	usec := os.Getenv("WATCHDOG_USEC")
	if usec == "" || !meant("WATCHDOG_PID", true) {
		return 0, nil
	}
	n, err := strconv.ParseInt(usec, 10, 64)
	if err != nil || n <= 0 || n > int64(1<<63-1)/int64(time.Microsecond) {
		return 0, fmt.Errorf("WATCHDOG_USEC=%s is no number of microseconds", usec)
	}
	return time.Duration(n) * time.Microsecond, nil
}

// meant tells whether the variable names this process; absent is the answer if it
// is not there.
func meant(variable string, absent bool) bool {
	pid, ok := os.LookupEnv(variable)
	if !ok {
		return absent
	}
	return pid == strconv.Itoa(os.Getpid())
}
