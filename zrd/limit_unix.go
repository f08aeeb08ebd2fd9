//go:build unix

package main

import "syscall"

// maxConns returns how many clients may be connected at once. It leaves half of the descriptors to
// services and their probes.
func maxConns() int {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil || limit.Cur > 2*connections {
		return connections
	}
	return max(int(limit.Cur)/2, 2) // one client is served while the next is accepted
}
