//go:build linux

package integration

import (
	"strings"
	"syscall"
	"testing"
)

// header is the start of the script of each server.
const header = `#!/bin/sh
port=${1##*:} here=$PWD
export HOME="$here" XDG_CONFIG_HOME="$here" XDG_DATA_HOME="$here"
`

// servers are real servers. Each has a script that runs it on loopback port $port in its folder
// $here, which has a page, index.html.
var servers = []struct {
	name, program string
	script        string
	page          int // size
}{
	{"python", "python3", `exec python3 -m http.server --bind 127.0.0.1 "$port"`, 10},
	{"python-big", "python3", `exec python3 -m http.server --bind 127.0.0.1 "$port"`, 3 << 20},
	{"wsgiref", "python3", `exec python3 -c '
import sys
from wsgiref.simple_server import make_server
def app(environ, start):
    start("200 OK", [("Content-Type", "text/plain")])
    return [b"ok"]
make_server("127.0.0.1", int(sys.argv[1]), app).serve_forever()' "$port"`, 0},
	{"gunicorn", "gunicorn", `exec gunicorn --bind "127.0.0.1:$port" --pythonpath "$here" app:app`, 0},
	{"uvicorn", "uvicorn", `exec uvicorn --host 127.0.0.1 --port "$port" --app-dir "$here" asgi:app`, 0},
	{"node", "node", `exec node -e '
require("http").createServer((q, r) => { r.write("o"); setTimeout(() => r.end("k"), 20) }).listen(process.argv[1], "127.0.0.1")' "$port"`, 0},
	{"nginx", "nginx", `
user=
[ "$(id -u)" != 0 ] || user="user root;"
cat >nginx.conf <<END
daemon off; pid nginx.pid; error_log stderr; $user
events {}
http { access_log off; client_body_temp_path tmp; proxy_temp_path tmp; fastcgi_temp_path tmp; uwsgi_temp_path tmp; scgi_temp_path tmp;
server { listen 127.0.0.1:$port; root "$here"; } }
END
exec nginx -p "$here" -e stderr -c nginx.conf`, 10},
	{"busybox", "busybox", `exec busybox httpd -f -p "127.0.0.1:$port" -h .`, 10},
	{"caddy", "caddy", `exec caddy file-server --root . --listen "127.0.0.1:$port"`, 10},
}

// asgi is a minimal ASGI application.
const asgi = `
async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})
`

// Real servers do not complain about their checks, and are restarted after a crash. The checks
// leave no TIME_WAIT on their ports.
func TestRealServers(t *testing.T) {
	t.Parallel()
	for _, server := range servers {
		t.Run(server.name, func(t *testing.T) {
			t.Parallel()
			need(t, server.program)
			h := newHome(t)
			port := h.InstallScript("real", header+server.script+"\n", `health = "/index.html"`, patient)
			h.Write("store/real/1.0.0/index.html", strings.Repeat("x", server.page))
			h.Write("store/real/1.0.0/app.py", "def app(environ, start):\n    start('200 OK', [])\n    return [b'ok']\n")
			h.Write("store/real/1.0.0/asgi.py", asgi)
			clock := h.Install("clock", Behaviour{})
			d := startDaemon(t, h, "-health-interval", "200ms")
			d.MustStart("clock", clock)
			d.MustStart("real", port)
			wantChecks(t, h, "clock", 7) // five or more of the server
			d.WantNoFailure("real")
			first := d.Details("real").PID
			syscall.Kill(first, syscall.SIGKILL)
			if s := d.WaitBack("real", first); s.Restarts != 1 {
				t.Errorf("it failed more than once: %+v", s)
			}
			d.MustStop("real")
			wantNoTimeWait(t, port)
			for _, complaint := range []string{"Traceback", "roken pipe", "BrokenPipe", "ConnectionReset", "EPIPE"} {
				if server.page < 64<<10 && strings.Contains(d.Log.String(), complaint) {
					t.Errorf("the server logs %q", complaint)
				}
			}
		})
	}
}
