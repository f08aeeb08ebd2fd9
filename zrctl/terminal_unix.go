//go:build unix

package main

import (
	"os"
	"syscall"
	"unsafe"
)

// windowColumns asks the terminal for its width, which is 0 if it does not know.
func windowColumns(f *os.File) int {
	var size struct{ rows, columns, x, y uint16 }
	syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), syscall.TIOCGWINSZ, uintptr(unsafe.Pointer(&size)))
	return int(size.columns)
}
