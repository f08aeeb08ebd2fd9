package main

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"zr/internal/daemon"
	"zr/internal/protocol"
	"zr/internal/supervisor"
)

// demoName is the one package of -demo. Its binary is a copy of zrd, which runs as the service if
// that is its name.
const demoName = "hello"

// isHello reports whether this process is the demo's service.
func isHello(args []string) bool {
	return len(args) == 2 && strings.HasPrefix(args[1], "--listen=") &&
		strings.TrimSuffix(filepath.Base(args[0]), ".exe") == demoName
}

// hello is an HTTP server that answers every request with 200.
func hello(listen string) error {
	l, err := net.Listen("tcp", "127.0.0.1"+strings.TrimPrefix(listen, "--listen="))
	if err != nil {
		return err
	}
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer conn.Close()
			for head := bufio.NewScanner(conn); head.Scan() && head.Text() != ""; {
			}
			body := fmt.Sprintf("hello from process %d\n", os.Getpid())
			fmt.Fprintf(conn, "HTTP/1.0 200 OK\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		}()
	}
}

// newDemoHome makes a temporary home with the package hello on a free port.
func newDemoHome() (home string, err error) {
	home, err = os.MkdirTemp("", "zrd-demo-")
	if err != nil {
		return "", err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return home, err
	}
	defer l.Close()
	self, err := os.Executable()
	if err != nil {
		return home, err
	}
	program, err := os.ReadFile(self)
	if err != nil {
		return home, err
	}
	binary := demoName + strings.ToLower(filepath.Ext(self)) // .exe on Windows
	definition := fmt.Appendf(nil, "name = %q\nversion = \"1.0.0\"\nbinary = %q\n\n"+
		"[service]\nport = %d\n", demoName, binary, l.Addr().(*net.TCPAddr).Port)
	version := filepath.Join("store", demoName, "1.0.0")
	for path, content := range map[string][]byte{
		filepath.Join("modules", demoName+".json"): []byte(`{"schema":1,"current":"1.0.0"}`),
		filepath.Join(version, "package.toml"):     definition,
		filepath.Join(version, binary):             program,
	} {
		path = filepath.Join(home, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return home, err
		}
		if err := os.WriteFile(path, content, 0o700); err != nil {
			return home, err
		}
	}
	return home, nil
}

// runDemo starts the service of -demo and prints what to try. If it cannot be started, the daemon
// ends.
func runDemo(server *daemon.Server, services *supervisor.Supervisor, addr string) error {
	_, err := services.Start(demoName)
	if err == nil {
		for _, hello := range services.Status() {
			printDemo(hello, addr)
		}
		return nil
	}
	select {
	case <-server.Ending(): // the start failed because the daemon ends
		return nil
	default:
	}
	server.Shutdown("the demo could not be started")
	return fmt.Errorf("cannot start the demo: %w", err)
}

func printDemo(hello supervisor.Info, addr string) {
	terminal, kill := "terminal", "kill -9"
	if runtime.GOOS == "windows" {
		terminal, kill = "PowerShell", "taskkill /F /PID"
	}
	zrctl := zrctlCommand()
	if addr != protocol.DefaultAddr || os.Getenv("ZRD_ADDR") != "" {
		zrctl += " -addr " + addr
	}
	fmt.Printf(`
The package %q is running. In a second %[5]s, try

    %[2]s -o table status -v
    curl http://127.0.0.1:%[3]d/
    %[6]s %[4]d   # end it the hard way
    sleep 2   # it is back a second later
    curl http://127.0.0.1:%[3]d/
    %[2]s stop hello
    %[2]s start hello
    %[2]s shutdown   # or Ctrl-C here; the temporary home goes with it

`, hello.Name, zrctl, hello.Port, hello.PID, terminal, kill)
}

// zrctlCommand returns the command that runs zrctl, which lies beside an installed zrd, but not
// beside the binary of "go run".
func zrctlCommand() string {
	self, err := os.Executable()
	if err == nil {
		_, err = os.Stat(filepath.Join(filepath.Dir(self), "zrctl"+filepath.Ext(self)))
	}
	if err != nil {
		return "go run ./zrctl"
	}
	return "zrctl"
}
