package protocol

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

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
// the newline. When ctx ends Do returns its error, even while it decodes a costly reply. An error
// means that there is no reply. A *net.OpError whose Op is "dial" means that there is no daemon.
func Do(ctx context.Context, addr string, req Request) (Reply, []byte, error) {
	type answer struct {
		reply Reply
		line  []byte
		err   error
	}
	answers := make(chan answer, 1)
	go func() {
		reply, line, err := do(ctx, addr, req)
		answers <- answer{reply, line, err}
	}()
	select {
	case a := <-answers:
		if ctx.Err() == nil {
			return a.reply, a.line, a.err
		}
	case <-ctx.Done():
	}
	return Reply{}, nil, ctx.Err()
}

func do(ctx context.Context, addr string, req Request) (Reply, []byte, error) {
	line, err := exchange(ctx, addr, req)
	if err != nil {
		return Reply{}, nil, err
	}
	reply, err := decodeReply(line)
	if err != nil {
		return Reply{}, nil, fmt.Errorf("%w: %w", ErrNoReply, err)
	}
	return reply, line, nil
}

func exchange(ctx context.Context, addr string, req Request) ([]byte, error) {
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	req.Name = strings.ToValidUTF8(req.Name, "\uFFFD") // encoding/json: in some Go releases only
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

func decodeReply(line []byte) (reply Reply, err error) {
	var services json.RawMessage
	o, err := decode(line, field{"ok", &reply.OK}, field{"error", &reply.Error},
		field{"port", &reply.Port}, field{"services", &services})
	if err == nil {
		err = o.Get("ok", &reply.OK) // it may not be missing
	}
	if err != nil || services == nil {
		return reply, err
	}
	if services[0] != '[' {
		return reply, errors.New("not a JSON array")
	}
	reply.Services = []Service{}
	dec := json.NewDecoder(bytes.NewReader(services))
	dec.Token() // the bracket
	for err == nil && dec.More() {
		if len(reply.Services) == maxServices {
			return reply, fmt.Errorf("more than %d services", maxServices)
		}
		var element json.RawMessage
		dec.Decode(&element) // cannot fail, as object.Read has read it
		var s Service
		s, err = decodeService(element)
		reply.Services = append(reply.Services, s)
	}
	return reply, err
}

func decodeService(data []byte) (s Service, err error) {
	var d Details
	o, err := decode(data, field{"name", &s.Name}, field{"port", &s.Port}, field{"status", &s.Status},
		field{"pid", &d.PID}, field{"processes", &d.Processes}, field{"uptime_s", &d.Uptime},
		field{"restarts", &d.Restarts}, field{"failures", &d.Failures}, field{"version", &d.Version},
		field{"last_error", &d.LastError}, field{"next_retry_s", &d.NextRetry})
	if d != (Details{}) || o["restarts"] != nil { // zrd always sends restarts with the details
		s.Details = &d
	}
	return s, err
}

// A field is the name of a field and where its value goes.
type field struct {
	name string
	to   any
}

// decode decodes fields of the JSON object in data, all of which may be missing or null.
func decode(data []byte, fields ...field) (object.Object, error) {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.name
	}
	o, err := object.Read(data, names...)
	for _, f := range fields {
		if err == nil {
			err = o.GetOptional(f.name, f.to)
		}
	}
	return o, err
}
