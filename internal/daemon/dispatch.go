package daemon

import (
	"fmt"
	"strings"
	"time"

	"zr/internal/protocol"
	"zr/internal/supervisor"
)

// maxError bounds the text of an error in a reply: 1 KiB with the ellipsis that stands for the
// rest.
const maxError = 1<<10 - len("…")

// dispatch carries out the request line of a user. Only dispatch turns errors into replies.
func (s *Server) dispatch(line []byte, user string) protocol.Reply {
	req, err := protocol.DecodeRequest(line)
	if err != nil {
		return invalid(err)
	}
	switch req.Request {
	case protocol.Ping:
		return protocol.Reply{OK: true}
	case protocol.Status:
		return protocol.Reply{OK: true, Services: entries(s.services.Status(), req.Verbose)}
	case protocol.Start:
		if req.Name == "" {
			return refused("missing service name")
		}
		return outcome(s.services.Start(req.Name))
	case protocol.Stop:
		return outcome(0, s.services.Stop(req.Name))
	case protocol.Shutdown:
		why := "shutdown requested"
		if user != "" {
			why += " by " + user
		}
		return outcome(0, s.Shutdown(why))
	}
	return refused("unknown request: " + req.Request)
}

func invalid(err error) protocol.Reply {
	return refused("invalid daemon request: " + err.Error())
}

func refused(why string) protocol.Reply { return protocol.Reply{Error: bounded(why, maxError)} }

func bounded(text string, limit int) string {
	return protocol.Clip(strings.ToValidUTF8(text, "\ufffd"), limit)
}

func outcome(port int, err error) protocol.Reply {
	if err != nil {
		return refused(err.Error())
	}
	return protocol.Reply{OK: true, Port: port}
}

func entries(infos []supervisor.Info, verbose bool) []protocol.Service {
	list := make([]protocol.Service, len(infos))
	for i, info := range infos {
		list[i] = protocol.Service{Name: info.Name, Port: info.Port, Status: info.Status}
		if verbose {
			list[i].Details = details(info)
		}
	}
	return list
}

func details(info supervisor.Info) *protocol.Details {
	d := &protocol.Details{
		PID: info.PID, Processes: info.Processes(), Restarts: info.Restarts, Failures: info.Failures,
		Version: info.Version,
	}
	if info.PID != 0 {
		up := int(time.Since(info.StartedAt) / time.Second)
		d.Uptime = &up
	}
	if info.LastError != "" {
		ago := fmt.Sprintf(", %d s ago", time.Since(info.LastErrorAt)/time.Second)
		d.LastError = bounded(info.LastError, maxError-len(ago)) + ago
	}
	if !info.RetryAt.IsZero() {
		wait := int(max(0, time.Until(info.RetryAt)+time.Second-1) / time.Second)
		d.NextRetry = &wait
	}
	return d
}
