//go:build unix

// Command fake is the service of the integration tests: an HTTP server that
// does what the file "behave" beside it says, and notes in "events" what happened to it.
// The file is read at the start and again for each connection, so a test can
// change its mind.
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
)

// behave is what package integration knows as Behaviour.
type behave struct {
	ListenAfter      int    // ms before it listens
	ListenNever      bool   // stays up without a listener, as long as behave says so
	ExitAtOnce       *int   // exits with this status before it listens
	ExitIfTaken      bool   // exits with 1 if the port is taken (else it stays up without a listener)
	CrashAfter       int    // ms after its first answer: exits with 3
	DropAfter        int    // ms after its first answer: closes its listener and stays up
	StopAfter        int    // ms after its first answer: SIGSTOP to itself
	Status           string // of the status line, "200 OK" if empty
	Raw              string // written instead of an answer
	Hang             bool   // takes connections and says nothing
	Reset            bool   // resets connections
	Trickle          bool   // one byte of an answer every 300 ms
	Endless          bool   // sends without end
	AnswerAfter      int    // ms before it answers
	Pieces           bool   // an answer in pieces, 50 ms apart; a broken pipe ends it, as SIGPIPE does by default
	IgnoreTerm       bool
	FlushOnTerm      int  // ms that it takes to end after SIGTERM; then it notes "flushed"
	Grandchild       bool // a child that sleeps, in its group
	GrandchildServes bool // the child listens, not the leader
	ChildLeaves      bool // and has a session of its own
	Background       bool // a child in its group, and the leader exits with 0
	CloseStderr      bool
	LeaveGroup       bool   // moves to a group of its child's
	Escapes          bool   // a child that sleeps, in a session of its own
	ChildFlushes     int    // a child in its group that takes so many ms to end after SIGTERM, and notes "flushed"
	Bomb             bool   // makes processes until it cannot, as long as behave says so; then it notes "full"
	Undumpable       bool   // Linux: only root may look into it
	MainExits        bool   // Linux: its main thread ends, and others serve
	Say              string // a line on standard output, at the start
}

var dir = filepath.Dir(os.Args[0])

func read() (b behave) {
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
	if len(os.Args) == 3 && os.Args[1] == "guard" {
		os.Exit(guard(os.Args[2]))
	}
	if len(os.Args) == 2 && os.Args[1] == "sleep" {
		note("child")
		stay()
	}
	if len(os.Args) == 5 && os.Args[1] == "hasty" {
		hasty(os.Args[2], os.Args[3], os.Args[4])
		return
	}
	if len(os.Args) == 4 && os.Args[1] == "squat" {
		squat(os.Args[2], os.Args[3])
	}
	if len(os.Args) == 3 && os.Args[1] == "flush" {
		n, _ := strconv.Atoi(os.Args[2])
		signals(behave{FlushOnTerm: n})
		note("child")
		stay()
	}
	note("start " + strings.Join(os.Args[1:], " "))
	b := read()
	signals(b)
	if b.Say != "" {
		fmt.Println(b.Say)
	}
	if b.CloseStderr {
		os.Stderr.Close()
	}
	if b.Undumpable {
		closeToOthers()
	}
	if b.Grandchild || b.Background {
		child(sameGroup, "sleep")
	}
	if b.Escapes {
		child(ownSession, "sleep")
	}
	if b.ChildFlushes > 0 {
		child(sameGroup, "flush", strconv.Itoa(b.ChildFlushes))
	}
	if b.GrandchildServes && os.Getenv("FAKE_CHILD") == "" {
		os.Setenv("FAKE_CHILD", "1")
		attr := sameGroup
		if b.ChildLeaves {
			attr = ownSession
		}
		child(attr, os.Args[1:]...)
		stay()
	}
	if b.LeaveGroup {
		syscall.Setpgid(0, child(ownGroup, "sleep"))
	}
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

// explode makes processes as long as behave says so, as fast as it can.
func explode() {
	full := sync.OnceFunc(func() { note("full") })
	for read().Bomb {
		if cmd := exec.Command("sleep", "600"); cmd.Start() != nil {
			full()
			time.Sleep(time.Millisecond)
		}
	}
}

// stay keeps the process where it is. (An empty select is a deadlock for a runtime without cgo.)
func stay() {
	for {
		time.Sleep(time.Hour)
	}
}

// hasty sends line to addr again and again, and closes without a look at the answer.
func hasty(addr, line, times string) {
	n, _ := strconv.Atoi(times)
	for range n {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			fmt.Fprintln(os.Stderr, "fake:", err)
			os.Exit(97)
		}
		fmt.Fprintln(conn, line)
		conn.Close()
	}
}

// squat takes addr when it is told to and as soon as it is free, says so, and answers every connection with
// text ("": with silence).
func squat(addr, text string) {
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
			os.Exit(97)
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

func signals(b behave) {
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

var (
	sameGroup  = &syscall.SysProcAttr{}
	ownGroup   = &syscall.SysProcAttr{Setpgid: true}
	ownSession = &syscall.SysProcAttr{Setsid: true}
)

func child(attr *syscall.SysProcAttr, args ...string) int {
	cmd := exec.Command(os.Args[0], args...)
	cmd.SysProcAttr = attr
	if err := cmd.Start(); err != nil {
		note(err.Error())
		os.Exit(98)
	}
	return cmd.Process.Pid
}

// serve listens on loopback only, whatever it is told.
func serve(b behave) {
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

// readHead returns the lines of a request's head, with " | " between them.
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
			time.Sleep(300 * time.Millisecond)
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
