// Package packages reads the home: which packages are installed, and what
// their services run. Everything is read afresh on each call, so that an
// upgrade is picked up, and nothing that a name or a file says reaches outside
// modules/ and store/NAME/VERSION/.
package packages

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"unicode"
)

// A Home is the folder that holds modules/ and store/.
type Home string

// Service is what one installed package runs.
type Service struct {
	Name    string
	Version string
	Binary  string // the path of an existing file
	Port    int    // 1 to 65535
	Health  string // starts with "/", holds no space or control character
}

const (
	receiptSchema = 1       // the newest that this daemon reads
	maxName       = 100     // characters of a package name
	maxFile       = 1 << 20 // bytes of a receipt or definition; real ones have hundreds
	maxHealth     = 1024    // characters of a health path
)

const nameChars = "abcdefghijklmnopqrstuvwxyz0123456789"

// ValidName tells whether a package can have this name at all: words of nameChars with hyphens
// between, a letter first. (Package regexp would say it in a line, and take a quarter of a megabyte.)
func ValidName(name string) bool {
	for word := range strings.SplitSeq(name, "-") {
		if word == "" || strings.Trim(word, nameChars) != "" {
			return false
		}
	}
	return len(name) <= maxName && name[0] >= 'a'
}

// Load returns what the installed version of a package runs. Its errors are
// meant for the wire.
func (h Home) Load(name string) (Service, error) {
	r, err := h.receipt(name)
	if err != nil {
		return Service{}, err
	}
	dir := filepath.Join(string(h), "store", name, r.current)
	def, err := readDefinition(filepath.Join(dir, "package.toml"))
	if err != nil {
		return Service{}, err
	}
	switch {
	case !def.hasService:
		return Service{}, fmt.Errorf("package '%s' has no service section", name)
	case def.port == 0:
		return Service{}, fmt.Errorf("service '%s' has no port configured", name)
	case def.binary == "":
		return Service{}, fmt.Errorf("package '%s' has no binary", name)
	}
	binary := filepath.Join(dir, string(def.binary))
	if _, err := os.Stat(binary); err != nil {
		return Service{}, fmt.Errorf("binary not found: %s", binary)
	}
	return Service{name, r.current, binary, int(def.port), string(def.health)}, nil
}

// receipt is what the daemon needs of modules/NAME.json.
type receipt struct {
	current string
	active  bool
}

func (h Home) receipt(name string) (receipt, error) {
	notFound := fmt.Errorf("package '%s' not found", name)
	if !ValidName(name) {
		return receipt{}, notFound
	}
	path := filepath.Join(string(h), "modules", name+".json")
	data, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return receipt{}, notFound
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

// parseReceipt decodes by way of a map, because encoding/json alone takes
// field names in any case. The schema comes first: it says what the others mean.
func parseReceipt(data []byte) (receipt, error) {
	r := receipt{active: true}
	var f fields
	if err := json.Unmarshal(data, &f); err != nil {
		return r, fmt.Errorf("not a receipt: %w", located(data, err))
	}
	var schema int
	if err := f.get("schema", &schema); err != nil {
		return r, err
	}
	if schema > receiptSchema {
		return r, fmt.Errorf("receipt schema %d is newer than %d: this home belongs to a newer zacor", schema, receiptSchema)
	}
	if schema < 1 {
		return r, fmt.Errorf("receipt schema %d is unknown", schema)
	}
	if err := f.get("current", &r.current); err != nil {
		return r, err
	}
	if _, ok := f["active"]; ok {
		if err := f.get("active", &r.active); err != nil {
			return r, err
		}
	}
	if !plainName(r.current) {
		return r, fmt.Errorf("current version %q is not a plain file name", r.current)
	}
	return r, nil
}

// fields is a JSON object whose fields are picked by their exact names.
type fields map[string]json.RawMessage

func (f fields) get(key string, to any) error {
	raw, ok := f[key]
	if !ok {
		return fmt.Errorf("field `%s` is missing", key)
	}
	if err := json.Unmarshal(raw, to); err != nil || string(raw) == "null" {
		return fmt.Errorf("field `%s` has the wrong type", key)
	}
	return nil
}

// located adds to an error of encoding/json the line, where it knows it.
func located(data []byte, err error) error {
	var syntax *json.SyntaxError
	if !errors.As(err, &syntax) {
		return errors.New("not a JSON object")
	}
	return fmt.Errorf("line %d: %w", 1+bytes.Count(data[:syntax.Offset], []byte("\n")), err)
}

// plainName tells whether s names a file in a folder and nothing else, on
// any system.
func plainName(s string) bool {
	return s != "." && filepath.IsLocal(s) && !strings.ContainsAny(s, `/\`) && strings.IndexFunc(s, unicode.IsControl) < 0
}

// readFile reads a regular file of bounded size. It cannot be held up by a
// FIFO that somebody put in the file's place.
func readFile(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", path)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("%s: larger than %d bytes", path, maxFile)
	}
	return data, err
}
