package main

import (
	"bufio"
	"fmt"
	"io"
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
	return len(args) == 2 && strings.TrimSuffix(filepath.Base(args[0]), ".exe") == demoName && strings.HasPrefix(args[1], "--listen=")
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
			for r := bufio.NewReader(conn); ; {
				if line, err := r.ReadString('\n'); err != nil {
					return
				} else if strings.TrimSpace(line) == "" {
					break
				}
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
	dir := filepath.Join(home, "store", demoName, "1.0.0")
	definition := fmt.Sprintf("name = %q\nversion = \"1.0.0\"\nbinary = %q\n\n[service]\nport = %d\n",
		demoName, filepath.Base(binaryIn(dir)), l.Addr().(*net.TCPAddr).Port)
	for path, content := range map[string]string{
		filepath.Join(home, "modules", demoName+".json"): `{"schema":1,"current":"1.0.0","active":true,"versions":{}}`,
		filepath.Join(dir, "package.toml"):               definition,
	} {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return home, err
		}
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			return home, err
		}
	}
	return home, copySelf(binaryIn(dir))
}

// binaryIn returns the path of the demo's binary in dir. Windows needs the extension.
func binaryIn(dir string) string {
	return filepath.Join(dir, demoName+strings.ToLower(filepath.Ext(os.Args[0])))
}

func copySelf(to string) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	in, err := os.Open(self)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o700)
	if err != nil {
		return err
	}
	if _, err := io.Copy(out, in); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}

// runDemo starts the demo and sends the error, or nil, to failed. If the demo cannot be started,
// the daemon ends.
func runDemo(failed chan<- error, server *daemon.Server, services *supervisor.Supervisor, addr string) {
	err := startDemo(services, addr)
	select {
	case <-server.Ending(): // the start failed because the daemon ends
		err = nil
	default:
	}
	if err != nil {
		server.Shutdown("the demo could not be started")
	}
	failed <- err
}

// startDemo starts hello and prints what to try.
func startDemo(services *supervisor.Supervisor, addr string) error {
	port, err := services.Start(demoName)
	if err != nil {
		return fmt.Errorf("cannot start the demo: %w", err)
	}
	ctl := zrctl()
	if addr != protocol.DefaultAddr || os.Getenv("ZRD_ADDR") != "" {
		ctl += " -addr " + addr
	}
	terminal, kill := "terminal", "kill -9"
	if runtime.GOOS == "windows" {
		terminal, kill = "PowerShell", "taskkill /F /PID"
	}
	for _, s := range services.Status() {
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

`, s.Name, ctl, port, s.PID, terminal, kill)
	}
	return nil
}

// zrctl returns the command that runs zrctl. An installed zrd has it beside itself, but the binary
// of "go run" has not.
func zrctl() string {
	self, err := os.Executable()
	if err == nil {
		_, err = os.Stat(filepath.Join(filepath.Dir(self), "zrctl"+filepath.Ext(self)))
	}
	if err != nil {
		return "go run ./zrctl"
	}
	return "zrctl"
}
