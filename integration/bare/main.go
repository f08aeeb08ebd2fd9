//go:build linux

// Command bare does the least that a program can do, for comparison with zrd in the benchmarks:
//
//	bare loop           accepts, reads, answers and closes; prints its address
//	bare knock ADDR     connects and writes one line
//	bare probe PORT N D asks a service N times for its health, once every D nanoseconds
//	NAME --listen=:PORT is a service that is always healthy. A name that ends in -N listens
//	                    after N ms, and notes in "listening" beside it when that was.
package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
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
	case "probe":
		probe(os.Args[2], must(strconv.Atoi(os.Args[3])), must(strconv.Atoi(os.Args[4])))
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

func probe(port string, times, apart int) {
	for range times {
		time.Sleep(time.Duration(apart))
		conn := must(net.Dial("tcp", "127.0.0.1:"+port))
		must(conn.Write([]byte("GET /health HTTP/1.0\r\n\r\n")))
		var buf [256]byte
		must(conn.Read(buf[:]))
		conn.Close()
	}
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
