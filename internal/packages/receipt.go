package packages

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"zr/internal/object"
)

// receiptSchema is the newest schema that this daemon reads.
const receiptSchema = 1

// receipt holds the fields of modules/NAME.json that the daemon needs.
type receipt struct {
	current string
	active  bool
}

func (h *Home) receipt(name string) (receipt, error) {
	path := h.receiptPath(name)
	data, err := readFile(path, maxContent)
	if errors.Is(err, fs.ErrNotExist) {
		if target, err := os.Readlink(path); err == nil {
			return receipt{}, fmt.Errorf("%s: a link to %s, which is not there", path, quote(target))
		}
		return receipt{}, notFound(name)
	}
	if err != nil {
		return receipt{}, err
	}
	r, err := parseReceipt(data)
	if err != nil {
		return receipt{}, fmt.Errorf("%s: %w", path, err)
	}
	return r, nil
}

func (h *Home) receiptPath(name string) string {
	return filepath.Join(h.dir, "modules", name+".json")
}

// parseReceipt checks the schema first, as it decides what the other fields mean.
func parseReceipt(data []byte) (receipt, error) {
	r := receipt{active: true}
	o, err := object.Read(data, "schema", "current", "active")
	var syntax *object.SyntaxError
	switch {
	case len(bytes.TrimSpace(data)) == 0:
		return r, errors.New("not a receipt: the file is empty")
	case err == io.ErrUnexpectedEOF:
		return r, errors.New("not a receipt: unexpected end of the file")
	case errors.As(err, &syntax):
		line := 1 + bytes.Count(data[:syntax.Offset], []byte("\n"))
		return r, fmt.Errorf("not a receipt: line %d: unexpected character %+q", line, syntax.Char)
	case err != nil:
		return r, fmt.Errorf("not a receipt: %w", err)
	}
	var schema int
	if err := o.Get("schema", &schema); err != nil {
		return r, err
	}
	if schema > receiptSchema {
		return r, fmt.Errorf("receipt schema %d is newer than %d: this home belongs to a newer zacor",
			schema, receiptSchema)
	}
	if schema < 1 {
		return r, fmt.Errorf("receipt schema %d is unknown", schema)
	}
	if err := o.Get("current", &r.current); err != nil {
		return r, err
	}
	if err := o.GetOptional("active", &r.active); err != nil {
		return r, err
	}
	if !plainName(r.current) {
		return r, fmt.Errorf("current version %s is not a plain file name", quote(r.current))
	}
	return r, nil
}
