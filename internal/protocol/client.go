package protocol

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"zr/internal/object"
)

// A client holds at most maxReply bytes of a reply and maxServices services, as many as there are
// ports.
const (
	maxReply    = 16 << 20
	maxServices = 1 << 16
)

// ErrNoReply means that the answer is not a reply of this protocol.
var ErrNoReply = errors.New("cannot read the reply")

// Do sends one request to the daemon at addr. It returns the reply, and its line as it came with
// the newline. ctx bounds the whole exchange. An error means that there is no reply. A *net.OpError
// whose Op is "dial" means that there is no daemon.
func Do(ctx context.Context, addr string, req Request) (Reply, []byte, error) {
	var reply Reply
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return reply, nil, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	line, err := exchange(conn, req)
	if ctx.Err() != nil {
		return reply, nil, ctx.Err()
	}
	if err != nil {
		return reply, nil, err
	}
	reply, err = decodeReply(ctx, line)
	if ctx.Err() != nil {
		return reply, nil, ctx.Err()
	}
	if err != nil {
		return reply, nil, fmt.Errorf("%w: %w", ErrNoReply, err)
	}
	return reply, line, nil
}

func exchange(conn net.Conn, req Request) ([]byte, error) {
	if _, err := conn.Write(EncodeLine(req)); err != nil {
		return nil, err
	}
	input := io.LimitedReader{R: conn, N: maxReply}
	line, err := bufio.NewReader(&input).ReadBytes('\n')
	switch {
	case err == io.EOF && input.N == 0:
		return nil, errors.New("a reply of over 16 MiB")
	case err == io.EOF:
		return nil, errors.New("the connection ended before a reply")
	}
	return line, err
}

// A field is the name of a field and where its value goes.
type field struct {
	name string
	to   any
}

func decodeReply(ctx context.Context, line []byte) (reply Reply, err error) {
	o, err := object.Read(ctx, line, "ok", "error", "port", "services")
	if err != nil {
		return reply, err
	}
	if err := get(o, field{"ok", &reply.OK}, field{"error", &reply.Error}, field{"port", &reply.Port}); err != nil {
		return reply, err
	}
	services, ok := o["services"]
	if !ok || string(services) == "null" {
		return reply, nil
	}
	reply.Services = []Service{}
	err = object.Elements(ctx, services, func(element []byte) error {
		if len(reply.Services) == maxServices {
			return fmt.Errorf("more than %d services", maxServices)
		}
		s, err := decodeService(ctx, element)
		reply.Services = append(reply.Services, s)
		return err
	})
	return reply, err
}

func decodeService(ctx context.Context, data []byte) (Service, error) {
	var s Service
	var d Details
	fields := []field{
		{"name", &s.Name}, {"port", &s.Port}, {"status", &s.Status}, {"pid", &d.PID}, {"processes", &d.Processes},
		{"uptime_s", &d.Uptime}, {"restarts", &d.Restarts}, {"failures", &d.Failures}, {"version", &d.Version},
		{"last_error", &d.LastError}, {"next_retry_s", &d.NextRetry},
	}
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.name
	}
	o, err := object.Read(ctx, data, names...)
	if err != nil {
		return s, err
	}
	for _, f := range fields[3:] {
		if o[f.name] != nil {
			s.Details = &d
		}
	}
	err = get(o, fields...)
	return s, err
}

func get(o object.Object, fields ...field) error {
	for _, f := range fields {
		if err := o.GetOptional(f.name, f.to); err != nil {
			return err
		}
	}
	return nil
}
