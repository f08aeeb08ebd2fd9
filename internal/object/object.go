// Package object reads the fields of JSON objects. It matches field names exactly and refuses a
// field that comes twice. Its errors have their own words, because those of encoding/json differ
// between Go releases.
package object

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"unicode/utf8"
)

// An Object holds the fields that the caller of Read named, with their undecoded values.
type Object map[string][]byte

// maxDepth is how deep the value of a field may nest: far deeper than any that is used.
const maxDepth = 100

// A SyntaxError names the first character that is wrong.
type SyntaxError struct {
	Offset int // from the start of the data, in bytes
	Char   rune
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("unexpected character %+q at byte %d", e.Char, e.Offset+1)
}

// Read returns the fields with these names from the JSON object in data, and ignores other fields.
// The error may be a *SyntaxError, or io.ErrUnexpectedEOF if the object does not end.
func Read(data []byte, names ...string) (Object, error) {
	if err := check(data); err != nil {
		return nil, err
	}
	o := make(Object, len(names))
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.Token() // the brace
	for dec.More() {
		key, err := dec.Token()
		var value json.RawMessage
		if err == nil {
			err = dec.Decode(&value)
		}
		if err != nil {
			return nil, syntax(data)
		}
		if name := key.(string); slices.Contains(names, name) {
			if o[name] != nil {
				return nil, fmt.Errorf("duplicate field `%s`", name)
			}
			o[name] = value
		}
	}
	if _, err := dec.Token(); err != nil {
		return nil, syntax(data)
	}
	switch rest := bytes.TrimLeft(data[dec.InputOffset():], space); {
	case len(rest) == 0:
		return o, nil
	case rest[0] == 0:
		return nil, errors.New("a NUL byte after the JSON object")
	}
	return nil, errors.New("more than one JSON object")
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

const space = " \t\r\n"

// check refuses data that does not begin as an object, or that nests too deep.
func check(data []byte) error {
	switch start := bytes.TrimLeft(data, space); {
	case !utf8.Valid(data):
		return errors.New("not UTF-8")
	case bytes.HasPrefix(start, []byte("\uFEFF")):
		return errors.New("a byte order mark (BOM) before the JSON object")
	case len(start) == 0 || start[0] != '{':
		return errors.New("not a JSON object")
	}
	return checkDepth(data)
}

// checkDepth counts brackets outside of strings.
func checkDepth(data []byte) error {
	depth, quoted := 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case c == '"':
			quoted = !quoted
		case quoted && c == '\\':
			i++
		case quoted:
		case c == '{', c == '[':
			depth++
		case c == '}', c == ']':
			depth--
		}
		if depth > maxDepth+1 {
			return fmt.Errorf("nested deeper than %d levels", maxDepth)
		}
	}
	return nil
}

// syntax returns what is wrong with data. A Decoder reads it byte by byte. The byte at which it
// fails is the same in every Go release.
func syntax(data []byte) error {
	const maxSearch = 64 << 10 // bounds the time; requests and receipts are smaller
	data = data[:min(len(data), maxSearch)]
	input := &byteReader{Reader: bytes.NewReader(data)}
	json.NewDecoder(input).Decode(new(json.RawMessage))
	if input.ended {
		return io.ErrUnexpectedEOF
	}
	offset := len(data) - input.Len() - 1
	char, _ := utf8.DecodeRune(data[offset:])
	return &SyntaxError{offset, char}
}

type byteReader struct {
	*bytes.Reader
	ended bool
}

func (r *byteReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p[:1])
	r.ended = err != nil
	return n, err
}
