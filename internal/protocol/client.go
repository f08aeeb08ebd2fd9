package protocol

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
)

// maxReply bounds what a client holds of a reply: 16 MiB are the verbose status
// of some 80,000 services.
const maxReply = 16 << 20

// ErrNoReply is an answer that is no reply of this protocol.
var ErrNoReply = errors.New("cannot read the reply")

// Do sends one request to the daemon at addr and returns its reply, and the
// line as it came, newline included. ctx bounds it all. An error means that there is
// no reply; a *net.OpError whose Op is "dial" means that no daemon took the
// call.
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
	if err := json.Unmarshal(line, &reply); err != nil {
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
