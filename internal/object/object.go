// Package object reads the fields of JSON objects. It matches field names exactly and refuses a
// field that comes twice. Its errors have their own words, because those of encoding/json differ
// between Go releases.
package object

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"unicode/utf8"
)

// An Object holds the fields that the caller of Read named, with their undecoded values.
type Object map[string][]byte

// maxDepth is how deep the value of a field may nest. The limit of encoding/json differs between Go
// releases.
const maxDepth = 100

// A SyntaxError names the first character that is wrong.
type SyntaxError struct {
	Offset int // from the start of the data, in bytes
	Char   rune
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("unexpected character %s at byte %d", strconv.QuoteRuneToASCII(e.Char), e.Offset+1)
}

// Read returns the fields with these names from the JSON object in data, and ignores other fields.
// The error may be a *SyntaxError, io.ErrUnexpectedEOF if the object does not end, or ctx's error
// if ctx ends first.
func Read(ctx context.Context, data []byte, names ...string) (Object, error) {
	o := make(Object, len(names))
	err := walk(ctx, data, '{', func(name string, value []byte) error {
		if !slices.Contains(names, name) {
			return nil
		}
		if o[name] != nil {
			return fmt.Errorf("duplicate field `%s`", name)
		}
		o[name] = value
		return nil
	})
	return o, err
}

// Elements calls visit with each element of the JSON array in data. It returns the errors that Read
// does, and visit's.
func Elements(ctx context.Context, data []byte, visit func(element []byte) error) error {
	return walk(ctx, data, '[', func(_ string, element []byte) error { return visit(element) })
}

// Get decodes the value of a field to a *string, *int or *bool. It fails if the field is missing or
// null.
func (o Object) Get(name string, to any) error {
	value, ok := o[name]
	if !ok {
		return fmt.Errorf("missing field `%s`", name)
	}
	if string(value) != "null" && json.Unmarshal(value, to) == nil {
		return nil
	}
	kind := "a whole number"
	switch to.(type) {
	case *string:
		kind = "a string"
	case *bool:
		kind = "true or false"
	}
	return fmt.Errorf("field `%s` is not %s", name, kind)
}

// GetOptional is Get for a field that may be missing or null.
func (o Object) GetOptional(name string, to any) error {
	if value, ok := o[name]; !ok || string(value) == "null" {
		return nil
	}
	return o.Get(name, to)
}

// walk calls visit for each field of an object, or each element of an array.
func walk(ctx context.Context, data []byte, open byte, visit func(name string, value []byte) error) error {
	if err := checkStart(data, open); err != nil {
		return err
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber() // so that numbers of any size are valid
	dec.Token()     // the bracket
	for dec.More() {
		var key json.Token
		if open == '{' {
			var err error
			if key, err = dec.Token(); err != nil {
				return syntax(data, err)
			}
		}
		start := dec.InputOffset()
		if err := skip(ctx, dec); err != nil {
			return syntax(data, err)
		}
		name, _ := key.(string)
		if err := visit(name, bytes.TrimLeft(data[start:dec.InputOffset()], " \t\r\n:,")); err != nil {
			return err
		}
	}
	if _, err := dec.Token(); err != nil {
		return syntax(data, err)
	}
	switch rest := bytes.TrimLeft(data[dec.InputOffset():], " \t\r\n"); {
	case len(rest) == 0:
		return nil
	case rest[0] == 0:
		return errors.New("a NUL byte after the JSON object")
	}
	return errors.New("more than one JSON object")
}

func checkStart(data []byte, open byte) error {
	switch data := bytes.TrimLeft(data, " \t\r\n"); {
	case !utf8.Valid(data):
		return errors.New("not UTF-8")
	case bytes.HasPrefix(data, []byte("\uFEFF")):
		return errors.New("a byte order mark (BOM) before the JSON object")
	case len(data) > 0 && data[0] == open:
		return nil
	case open == '[':
		return errors.New("not a JSON array")
	}
	return errors.New("not a JSON object")
}

var errDeep = fmt.Errorf("nested deeper than %d levels", maxDepth)

// skip moves dec past the next value.
func skip(ctx context.Context, dec *json.Decoder) error {
	for depth := 0; ; {
		token, err := dec.Token()
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth > maxDepth {
			return errDeep
		}
		if depth == 0 {
			return nil
		}
	}
}

// syntax returns the error of data, for which a Decoder returned err. A second Decoder reads data
// byte by byte. The byte at which it fails is the same in every Go release.
func syntax(data []byte, err error) error {
	if err == errDeep || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	input := &byteReader{data: data[:min(len(data), maxSearch)]}
	json.NewDecoder(input).Decode(new(json.RawMessage))
	if input.ended {
		return io.ErrUnexpectedEOF
	}
	char, _ := utf8.DecodeRune(data[input.read-1:])
	return &SyntaxError{input.read - 1, char}
}

// maxSearch bounds the time that syntax takes. Requests and receipts are smaller.
const maxSearch = 64 << 10

type byteReader struct {
	data  []byte
	read  int
	ended bool
}

func (r *byteReader) Read(p []byte) (int, error) {
	if r.read == len(r.data) {
		r.ended = true
		return 0, io.EOF
	}
	p[0] = r.data[r.read]
	r.read++
	return 1, nil
}
