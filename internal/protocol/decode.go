package protocol

import (
	"bytes"
	"errors"
	"io"

	"zr/internal/object"
)

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
