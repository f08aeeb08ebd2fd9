//go:build linux

// Command bare does the least that a program can do, for comparison with zrd in the benchmarks:
//
//	bare loop           accepts, reads, answers and closes; prints its address
//	bare knock ADDR     connects and writes one line
//	bare check D PORT … asks each service for its health, one after the other, waits for D, and does
//	                    it once more; prints its processor time in ns and its context switches
//	NAME --listen=:PORT is a service that is always healthy. A name that ends in -N listens
//	                    after N ms, and notes in "listening" beside it when that was.
package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	switch os.Args[1] {
	case "loop":
		loop()
	case "knock":
		knock(os.Args[2])
	case "check":
		check(must(time.ParseDuration(os.Args[2])), os.Args[3:])
	default:
		serve(strings.TrimPrefix(os.Args[1], "--listen=:"))
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bare:", err)
		os.Exit(1)
	}
	return v
}

func loop() {
	l := must(net.Listen("tcp", "127.0.0.1:0"))
	fmt.Println(l.Addr())
	for {
		conn := must(l.Accept())
		go func() {
			defer conn.Close()
			var buf [256]byte
			if _, err := conn.Read(buf[:]); err == nil {
				conn.Write([]byte("{\"ok\":true}\n"))
			}
		}()
	}
}

func knock(addr string) {
	conn := must(net.Dial("tcp", addr))
	must(conn.Write([]byte("{\"request\":\"ping\"}\n")))
}

// check measures its own thread alone: the rest of Go's runtime is not part of the least.
func check(apart time.Duration, ports []string) {
	runtime.LockOSThread()
	before := usage()
	for range 2 {
		for _, port := range ports {
			ask(must(strconv.Atoi(port)))
		}
		wait := syscall.NsecToTimespec(int64(apart))
		syscall.Nanosleep(&wait, nil)
	}
	after := usage()
	fmt.Println(after.Utime.Nano()+after.Stime.Nano()-before.Utime.Nano()-before.Stime.Nano(), after.Nvcsw+after.Nivcsw-before.Nvcsw-before.Nivcsw)
}

func usage() (u syscall.Rusage) {
	const thread = 1
	must(0, syscall.Getrusage(thread, &u))
	return u
}

func ask(port int) {
	fd := must(syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0))
	must(0, syscall.Connect(fd, &syscall.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}))
	must(syscall.Write(fd, []byte("GET /health HTTP/1.0\r\n\r\n")))
	var buf [256]byte
	must(syscall.Read(fd, buf[:]))
	syscall.Close(fd)
}

// serve makes system calls directly, because hundreds of these processes run beside zrd.
func serve(port string) {
	_, delay, timed := strings.Cut(filepath.Base(os.Args[0]), "-")
	if timed {
		time.Sleep(time.Duration(must(strconv.Atoi(delay))) * time.Millisecond)
	}
	fd := listen(must(strconv.Atoi(port)))
	since := time.Now()
	os.Stdout.WriteString("\n") // bareMass waits for this
	for {
		answer(fd)
		if timed {
			path := filepath.Join(filepath.Dir(os.Args[0]), "listening")
			os.WriteFile(path, strconv.AppendInt(nil, since.UnixNano(), 10), 0o644)
			timed = false
		}
	}
}

func listen(port int) int {
	fd := must(syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0))
	must(0, syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1))
	must(0, syscall.Bind(fd, &syscall.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}))
	must(0, syscall.Listen(fd, 128))
	return fd
}

func answer(fd int) {
	conn, _, err := syscall.Accept(fd)
	if err != nil {
		return
	}
	var buf [1024]byte
	syscall.Read(conn, buf[:])
	syscall.Write(conn, []byte("HTTP/1.0 200 OK\r\n\r\n"))
	syscall.Close(conn)
}
