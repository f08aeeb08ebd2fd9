//go:build unix

package main

import (
	"os"
	"syscall"
	"unsafe"
)

// windowColumns returns the width of the terminal f, or 0 if the terminal does not know it.
func windowColumns(f *os.File) int {
	var size struct{ rows, columns, x, y uint16 }
	syscall.Syscall(syscall.SYS_IOCTL, f.Fd(), syscall.TIOCGWINSZ, uintptr(unsafe.Pointer(&size)))
	return int(size.columns)
}
