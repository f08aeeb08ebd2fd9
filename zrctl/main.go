// Command zrctl sends one request to zrd and prints its reply.
package main

import (
	"fmt"
	"os"

	"zr/internal/protocol"
)

// Exit statuses.
const (
	exitOK       = 0
	exitNotOK    = 1 // a reply said "ok":false, or a service asked for is not running
	exitUsage    = 2 // nothing was sent
	exitNoDaemon = 3 // nobody took the request, or no reply came in time
)

const usage = `zrctl talks to zrd, the service supervisor on this machine.

Usage:

  zrctl [flags] COMMAND [NAME…]

Commands:

  ping            is the daemon there?                zrctl ping
  status [NAME…]  all services, or these              zrctl status -v -o table
  start NAME…     start, and wait until healthy       zrctl start kv
  stop NAME…      stop, and wait until gone           zrctl stop kv web
  shutdown        stop all services and the daemon    zrctl shutdown

Flags, before or after the command:

  -addr HOST:PORT  where the daemon listens (default $ZRD_ADDR, else ` + protocol.DefaultAddr + `)
  -timeout TIME    how long to wait for each reply (default 30s)
  -o FORMAT        json, the reply as it came (default), or table
  -v               status: with process ids, restarts and the last error
  -watch           status: again every second, until Ctrl-C, as a table unless -o json
  -version         print the version and exit
  -h               print this and exit

Exit status: 0 all went well; 1 a reply was an error, or a service that status
was asked for is not running; 2 usage; 3 no daemon, or no reply in time.
`

func main() {
	c := &call{out: os.Stdout, err: os.Stderr}
	if err := c.parse(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "error: %v; see zrctl -h\n", err)
		os.Exit(exitUsage)
	}
	exit := exitOK
	switch {
	case c.help:
		c.printf("%s", usage)
	case c.version:
		c.printf("zrctl %s\n", protocol.Version())
	default:
		exit = c.run()
	}
	if c.unprinted != nil {
		fmt.Fprintf(os.Stderr, "error: cannot print: %v\n", c.unprinted)
		exit = max(exit, exitNotOK)
	}
	os.Exit(exit)
}
