// Package protocol is the wire between zrctl and zrd: a client connects, sends
// one line of JSON, gets one line of JSON back, and the daemon closes. Both
// programs share it, so it imports nothing that a small client would not want.
package protocol

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

// DefaultAddr is where the daemon listens unless told otherwise: the address
// that is compiled into zacor 0.1.0.
const DefaultAddr = "127.0.0.1:19100"

// The requests that the daemon knows.
const (
	Ping     = "ping"
	Status   = "status"
	Start    = "start-service"
	Stop     = "stop-service"
	Shutdown = "shutdown"
)

// Request is one request line. Name matters to Start and Stop, Verbose to
// Status.
type Request struct {
	Request string `json:"request"`
	Name    string `json:"name,omitempty"`
	Verbose bool   `json:"verbose,omitempty"`
}

// Reply is one reply line; its fields are in the order of the wire. A nil
// Services is left out, an empty one is [].
type Reply struct {
	OK       bool      `json:"ok"`
	Error    string    `json:"error,omitempty"`
	Port     int       `json:"port,omitempty"`
	Services []Service `json:"services,omitzero"`
}

// Service is one entry of a status reply. Details is nil, and leaves no trace
// on the wire, unless the request was verbose.
type Service struct {
	Name   string `json:"name"`
	Port   int    `json:"port"`
	Status string `json:"status"` // "starting", "running" or "failed"
	*Details
}

// Details is what a verbose status adds to each service. PID and Uptime
// are there while there is a process, NextRetry while a back-off runs, and
// LastError when the last run ended badly.
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

// EncodeLine returns v as one line of JSON, without HTML escaping. What is not UTF-8 becomes U+FFFD
// before it is encoded, because encoding/json treats it differently from release to release.
func EncodeLine[T Request | Reply | *Reply](v T) []byte {
	var line bytes.Buffer
	enc := json.NewEncoder(&line)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(any(v).(interface{ valid() any }).valid()); err != nil {
		panic(err) // neither type can fail
	}
	return line.Bytes()
}

func (r Request) valid() any {
	r.Request, r.Name = valid(r.Request), valid(r.Name)
	return r
}

func (r Reply) valid() any {
	r.Error = valid(r.Error)
	r.Services = slices.Clone(r.Services)
	for i := range r.Services {
		s := &r.Services[i]
		s.Name, s.Status = valid(s.Name), valid(s.Status)
		if s.Details != nil {
			details := *s.Details
			details.Version, details.LastError = valid(details.Version), valid(details.LastError)
			s.Details = &details
		}
	}
	return r
}

func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
