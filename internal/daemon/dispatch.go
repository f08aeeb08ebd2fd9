package daemon

import (
	"fmt"
	"time"

	"zr/internal/protocol"
	"zr/internal/supervisor"
)

// dispatch carries out one request line. It is the only place that turns an
// error into a reply.
func (s *Server) dispatch(line []byte) protocol.Reply {
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
		port, err := s.services.Start(req.Name)
		if err != nil {
			return refused(err.Error())
		}
		return protocol.Reply{OK: true, Port: port}
	case protocol.Stop:
		return outcome(s.services.Stop(req.Name))
	case protocol.Shutdown:
		return outcome(s.shutdownFor())
	}
	return refused("unknown request: " + req.Request)
}

func invalid(err error) protocol.Reply {
	return refused("invalid daemon request: " + err.Error())
}

func refused(why string) protocol.Reply { return protocol.Reply{Error: why} }

func outcome(err error) protocol.Reply {
	if err != nil {
		return refused(err.Error())
	}
	return protocol.Reply{OK: true}
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
		PID: info.PID, Restarts: info.Restarts, Failures: info.Failures, Version: info.Version,
	}
	if info.PID != 0 {
		up := int(time.Since(info.StartedAt) / time.Second)
		d.Uptime = &up
	}
	if info.LastError != "" {
		d.LastError = fmt.Sprintf("%s, %d s ago", info.LastError, time.Since(info.LastErrorAt)/time.Second)
	}
	if !info.RetryAt.IsZero() {
		wait := int(max(0, time.Until(info.RetryAt)+time.Second-1) / time.Second)
		d.NextRetry = &wait
	}
	return d
}
