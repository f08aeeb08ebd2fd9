// Package protocol is the wire between zrctl and zrd: a client connects, sends one line of JSON,
// gets one line of JSON back, and the daemon closes. Both programs use it, so it imports nothing
// big.
package protocol

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"

	"zr/internal/object"
)

// The requests that the daemon knows.
const (
	Ping     = "ping"
	Status   = "status"
	Start    = "start-service"
	Stop     = "stop-service"
	Shutdown = "shutdown"
)

// Request is one request line. Start and Stop use Name, Status uses Verbose.
type Request struct {
	Request string `json:"request"`
	Name    string `json:"name,omitempty"`
	Verbose bool   `json:"verbose,omitempty"`
}

// Reply is one reply line, with its fields in the order of the wire. A nil Services is left out, an
// empty one is [].
type Reply struct {
	OK       bool      `json:"ok"`
	Error    string    `json:"error,omitempty"`
	Port     int       `json:"port,omitempty"`
	Services []Service `json:"services,omitzero"`
}

// Service is one entry of a status reply. Details is nil, and its fields are left out, unless the
// request was verbose.
type Service struct {
	Name   string `json:"name"`
	Port   int    `json:"port"`
	Status string `json:"status"` // "starting", "running" or "failed"
	*Details
}

// Details holds the fields that a verbose status adds to each service. PID and Uptime are there
// while there is a process, NextRetry during a back-off, and LastError if the last run ended badly.
type Details struct {
	PID       int    `json:"pid,omitempty"`
	Processes int    `json:"processes,omitempty"` // of the service, the main one included
	Uptime    *int   `json:"uptime_s,omitempty"`  // whole seconds since the process started
	Restarts  int    `json:"restarts"`            // since a client started the service
	Failures  int    `json:"failures"`            // in a row; the fifth gives the service up
	Version   string `json:"version"`
	LastError string `json:"last_error,omitempty"`
	NextRetry *int   `json:"next_retry_s,omitempty"` // seconds left, rounded up
}

// EncodeLine returns a Request or a Reply as one line of JSON, without HTML escaping. Its strings
// must be UTF-8.
func EncodeLine(v any) []byte {
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err) // neither type can fail
	}
	return text.Bytes()
}

// DecodeRequest decodes one line: exactly one JSON object with a string "request" and, if it is
// there, a string or null "name". Field names match in exact case; other fields are ignored.
func DecodeRequest(line []byte) (Request, error) {
	line = bytes.TrimSpace(line) // also white space that JSON does not have, as zacor's daemon does
	if len(line) == 0 {
		return Request{}, errors.New("an empty line")
	}
	o, err := object.Read(line, "request", "name", "verbose")
	if err == io.ErrUnexpectedEOF {
		err = errors.New("unexpected end of the line")
	}
	req := Request{Verbose: string(o["verbose"]) == "true"}
	if err == nil {
		err = o.Get("request", &req.Request)
	}
	if err == nil {
		err = o.GetOptional("name", &req.Name)
	}
	if err != nil {
		return Request{}, err
	}
	return req, nil
}
