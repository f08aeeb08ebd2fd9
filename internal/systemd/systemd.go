// Package systemd speaks the three protocols between systemd, or a manager that imitates it, and a
// daemon: notification, watchdog and socket activation. Without such a manager its functions do
// nothing. See sd_notify(3), sd_watchdog_enabled(3) and sd_listen_fds(3).
//
// It reads variables that are meant for one process, and leaves them in place. A program must not
// pass them on to processes that it starts.
package systemd

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
)

// sendTimeout bounds the wait for a manager whose socket is full.
const sendTimeout = 5 * time.Second

// Notified reports whether a manager wants to be notified.
func Notified() bool { return os.Getenv("NOTIFY_SOCKET") != "" }

// Notify sends assignments such as "READY=1" to the manager as one message. It does nothing unless
// Notified.
func Notify(assignments ...string) error {
	addr := os.Getenv("NOTIFY_SOCKET")
	if addr == "" {
		return nil
	}
	if addr[0] != '/' && addr[0] != '@' { // "@": an abstract socket, also in package net
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

// Watchdog returns the longest time that may pass between two "WATCHDOG=1" messages of this
// process, or 0 if the manager expects none.
func Watchdog() (time.Duration, error) {
	usec := os.Getenv("WATCHDOG_USEC")
	pid, ok := os.LookupEnv("WATCHDOG_PID")
	if usec == "" || ok && pid != strconv.Itoa(os.Getpid()) {
		return 0, nil
	}
	allowed, err := time.ParseDuration(usec + "us")
	if err != nil || allowed <= 0 {
		return 0, fmt.Errorf("WATCHDOG_USEC=%s is no number of microseconds", usec)
	}
	return allowed, nil
}
