//go:build unix

// Command fake is the service of the integration tests: an HTTP server that does what the file
// "behave" beside it says, and notes in "events" what happens to it. It reads the file at the start
// and again for each connection, so a test can change its mind. Other arguments make it do what
// else the tests need a process for:
//
//	fake child MS                       is a child of the service; it takes so long to end after SIGTERM
//	fake send ADDR LINE N               sends a line N times, and closes without reading the answer
//	fake take ADDR TEXT                 takes an address when it is free, and answers with a text
//	fake with SETTING UID PROGRAM ARGS… becomes a program in another setting; see settings_linux.go
//	fake guard DIR                      cleans up after the tests; see guard.go
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"zr/integration"
)

var dir = filepath.Dir(os.Args[0])

func read() (b integration.Behaviour) {
	data, err := os.ReadFile(filepath.Join(dir, "behave"))
	if err == nil {
		err = json.Unmarshal(data, &b)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "fake:", err)
		os.Exit(99)
	}
	return b
}

// note appends one line to events: its own process id and what happened.
func note(what string) {
	f, err := os.OpenFile(filepath.Join(dir, "events"), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o666)
	if err != nil {
		return
	}
	defer f.Close()
	fmt.Fprintf(f, "%d %s\n", os.Getpid(), what)
}

func main() {
	if len(os.Args) < 2 {
		fail(errors.New("no arguments"))
	}
	switch args := os.Args[2:]; os.Args[1] {
	case "child":
		child(args[0])
	case "send":
		send(args[0], args[1], args[2])
	case "take":
		take(args[0], args[1])
	case "with":
		fail(with(args[0], args[1], args[2:]))
	case "guard":
		os.Exit(guard(args[0]))
	default:
		service(read())
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "fake:", err)
	os.Exit(97)
}

func service(b integration.Behaviour) {
	note("start " + strings.Join(os.Args[1:], " "))
	handleTerm(b)
	if b.Say != "" {
		fmt.Println(b.Say)
	}
	if b.CloseStderr {
		os.Stderr.Close()
	}
	if b.Undumpable {
		hideFromOthers()
	}
	makeChildren(b)
	if b.Background {
		os.Exit(0)
	}
	if b.ExitAtOnce != nil {
		os.Exit(*b.ExitAtOnce)
	}
	time.Sleep(ms(b.ListenAfter))
	for read().ListenNever {
		time.Sleep(10 * time.Millisecond)
	}
	if b.Bomb {
		go explode()
	}
	if b.MainExits {
		go serve(b)
		exitMainThread()
	}
	serve(b)
}

var (
	sameGroup  = &syscall.SysProcAttr{}
	ownGroup   = &syscall.SysProcAttr{Setpgid: true}
	ownSession = &syscall.SysProcAttr{Setsid: true}
)

func makeChildren(b integration.Behaviour) {
	if b.Grandchild || b.Background {
		start(sameGroup, "child", "0")
	}
	if b.Escapes {
		start(ownSession, "child", "0")
	}
	if b.LeaveGroup {
		syscall.Setpgid(0, start(ownGroup, "child", "0"))
	}
	if b.ChildFlushes > 0 {
		start(sameGroup, "child", strconv.Itoa(b.ChildFlushes))
	}
	if b.GrandchildServes && os.Getenv("FAKE_CHILD") == "" {
		os.Setenv("FAKE_CHILD", "1")
		attr := sameGroup
		if b.ChildLeaves {
			attr = ownSession
		}
		start(attr, os.Args[1:]...)
		stay()
	}
}

func start(attr *syscall.SysProcAttr, args ...string) (pid int) {
	cmd := exec.Command(os.Args[0], args...)
	cmd.SysProcAttr = attr
	if err := cmd.Start(); err != nil {
		note(err.Error())
		os.Exit(98)
	}
	return cmd.Process.Pid
}

func child(flush string) {
	n, _ := strconv.Atoi(flush)
	handleTerm(integration.Behaviour{FlushOnTerm: n})
	note("child")
	stay()
}

// explode makes processes as fast as it can, as long as behave says so.
func explode() {
	full := sync.OnceFunc(func() { note("full") })
	for read().Bomb {
		if cmd := exec.Command("sleep", "600"); cmd.Start() != nil {
			full()
			time.Sleep(time.Millisecond)
		}
	}
}

// stay never returns. (An empty select is a deadlock for a runtime without cgo.)
func stay() {
	for {
		time.Sleep(time.Hour)
	}
}

func send(addr, line, times string) {
	n, _ := strconv.Atoi(times)
	for range n {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			fail(err)
		}
		fmt.Fprintln(conn, line)
		conn.Close()
	}
}

// take waits for a byte on standard input, then takes addr as soon as it is free. It answers every
// connection with text; if that is empty, it does not answer.
func take(addr, text string) {
	fmt.Println("waiting")
	os.Stdin.Read(make([]byte, 1))
	l, err := net.Listen("tcp", addr)
	for ; err != nil; l, err = net.Listen("tcp", addr) {
		time.Sleep(time.Millisecond)
	}
	fmt.Println("ready")
	for {
		conn, err := l.Accept()
		if err != nil {
			fail(err)
		}
		go func() {
			defer conn.Close()
			if text != "" {
				io.WriteString(conn, text)
				conn.(*net.TCPConn).CloseWrite()
			}
			io.Copy(io.Discard, conn)
		}()
	}
}

func ms(n int) time.Duration { return time.Duration(n) * time.Millisecond }

// handleTerm handles SIGTERM unless it shall end the process as usual.
func handleTerm(b integration.Behaviour) {
	terms := make(chan os.Signal, 1)
	if !b.IgnoreTerm && b.FlushOnTerm == 0 {
		return
	}
	signal.Notify(terms, syscall.SIGTERM)
	go func() {
		for range terms {
			note("term")
			if b.FlushOnTerm > 0 {
				time.Sleep(ms(b.FlushOnTerm))
				note("flushed")
				os.Exit(0)
			}
		}
	}()
}

// serve listens on loopback only.
func serve(b integration.Behaviour) {
	l, err := net.Listen("tcp", "127.0.0.1"+strings.TrimPrefix(os.Args[1], "--listen="))
	if err != nil {
		fmt.Fprintln(os.Stderr, "fake:", err)
		if b.ExitIfTaken {
			os.Exit(1)
		}
		stay()
	}
	note("listen")
	later := sync.OnceFunc(func() {
		after(b.CrashAfter, func() { os.Exit(3) })
		after(b.DropAfter, func() { l.Close() })
		after(b.StopAfter, func() { syscall.Kill(os.Getpid(), syscall.SIGSTOP) })
	})
	for {
		conn, err := l.Accept()
		if err != nil {
			stay()
		}
		go func() {
			answer(conn)
			later()
		}()
	}
}

func after(n int, do func()) {
	if n > 0 {
		time.AfterFunc(ms(n), do)
	}
}

// readHead returns the lines of the head of a request, joined by " | ".
func readHead(conn net.Conn) (head string, ok bool) {
	var lines []string
	for r := bufio.NewReader(conn); ; {
		line, err := r.ReadString('\n')
		if err != nil {
			return "", false
		}
		if line == "\r\n" {
			return strings.Join(lines, " | "), true
		}
		lines = append(lines, strings.TrimSuffix(line, "\r\n"))
	}
}

func answer(conn net.Conn) {
	defer conn.Close()
	b := read()
	if b.Reset {
		conn.(*net.TCPConn).SetLinger(0)
		return
	}
	head, ok := readHead(conn)
	if !ok {
		return
	}
	note("get " + head)
	status := b.Status
	if status == "" {
		status = "200 OK"
	}
	reply := "HTTP/1.0 " + status + "\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
	time.Sleep(ms(b.AnswerAfter))
	switch {
	case b.Pieces:
		for _, piece := range []string{reply[:9], reply[9:20], reply[20:40], reply[40:]} {
			if _, err := conn.Write([]byte(piece)); errors.Is(err, syscall.EPIPE) {
				os.Exit(141) // what a shell says of SIGPIPE
			}
			time.Sleep(50 * time.Millisecond)
		}
	case b.Raw != "":
		conn.Write([]byte(b.Raw))
	case b.Hang:
		note("hang")
		time.Sleep(time.Hour)
	case b.Trickle:
		for i := range len(reply) {
			if _, err := conn.Write([]byte(reply[i : i+1])); err != nil {
				return
			}
			time.Sleep(time.Second)
		}
	case b.Endless:
		for {
			if _, err := conn.Write(make([]byte, 64<<10)); err != nil {
				return
			}
		}
	default:
		conn.Write([]byte(reply))
	}
}
