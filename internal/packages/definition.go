package packages

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/BurntSushi/toml"

	"zr/internal/protocol"
)

// A definition holds the fields of a package.toml that the daemon needs.
type definition struct {
	Service         // Binary is the file's name, Port is 0 if there is none
	hasService bool // the file has a table [service]
}

const (
	maxWarnings = 10
	maxQuote    = 100 // bytes of a value in a message
	maxMessage  = 400 // bytes of a message of the parser
)

// definition reads the definition of a version. If the package has no package.toml, the error is
// fs.ErrNotExist.
func (h *Home) definition(name, version string) (definition, error) {
	store := filepath.Join(h.dir, "store", name)
	dir := filepath.Join(store, version)
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return definition{}, fmt.Errorf("%s: version %s is not in %s",
			h.receiptPath(name), quote(version), store)
	}
	path := filepath.Join(dir, "package.toml")
	data, err := readFile(path, maxDefinition)
	if err != nil {
		return definition{}, err
	}
	d, err := parseDefinition(string(data))
	if err != nil {
		return definition{}, fmt.Errorf("%s: %w", path, err)
	}
	d.Name, d.Version, d.Dir = name, version, dir
	for i, w := range d.Warnings {
		d.Warnings[i] = path + ": " + w
	}
	return d, nil
}

func parseDefinition(data string) (definition, error) {
	d := definition{Service: Service{
		Health:        "/health",
		StartTimeout:  10 * time.Second,
		StopTimeout:   5 * time.Second,
		HealthTimeout: 2 * time.Second,
	}}
	if err := checkBounds(data); err != nil {
		return d, err
	}
	err := d.decode(data)
	var parse toml.ParseError
	if !errors.As(err, &parse) {
		return d, err
	}
	key := ""
	if parse.LastKey != "" {
		key = " (last key " + quote(parse.LastKey) + ")"
	}
	// The file can put names and values of any length into the message.
	return d, fmt.Errorf("line %d%s: %s", parse.Position.Line, key, protocol.Clip(parse.Message, maxMessage))
}

func (d *definition) decode(data string) error {
	var top, service table
	md, err := toml.Decode(data, &top)
	if err != nil {
		return err
	}
	const noText = "is not a string in quotes"
	const noDuration = `is not a duration in quotes, as in "1m30s", of more than 0 and at most 1h`
	var unused, start string
	err = top.get(md, []field{
		{"name", into(&unused, text, noText)},
		{"version", into(&unused, text, noText)},
		{"binary", into(&d.Binary, fileName, "is not a plain file name")},
		{"service", setter(checkTable)},
		{"service", &service},
	})
	if err != nil {
		return err
	}
	inService := []field{
		{"start", into(&start, text, noText)},
		{"port", into(&d.Port, between(1, 65535), "is not a port number from 1 to 65535")},
		{"health", into(&d.Health, healthPath,
			"is not a health path: it starts with a slash and has no spaces or control characters")},
		{"startup", into(&d.Eager, startup, `is neither "eager" nor "lazy"`)},
		{"start-timeout", into(&d.StartTimeout, duration, noDuration)},
		{"stop-timeout", into(&d.StopTimeout, duration, noDuration)},
		{"health-timeout", into(&d.HealthTimeout, duration, noDuration)},
		{"health-retries", into(&d.HealthRetries, between(0, 1000),
			"is not a whole number from 0 to 1000")},
	}
	_, d.hasService = top["service"]
	_, d.StopTimeoutSet = service["stop-timeout"]
	err = service.get(md, inService)
	d.warn(service, inService, start)
	return err
}

// warn adds a warning for each key under [service] that has no effect.
func (d *definition) warn(service table, known []field, start string) {
	for key := range service {
		if !slices.ContainsFunc(known, func(f field) bool { return f.key == key }) {
			d.Warnings = append(d.Warnings,
				fmt.Sprintf("unknown key %s under [service] has no effect", quote(key)))
		}
	}
	slices.Sort(d.Warnings)
	if n := len(d.Warnings); n > maxWarnings {
		more := fmt.Sprintf("%d more unknown keys under [service]", n-maxWarnings)
		d.Warnings = append(d.Warnings[:maxWarnings], more)
	}
	if runs := d.Binary + " --listen=:{port}"; start != "" && start != runs {
		d.Warnings = append(d.Warnings, fmt.Sprintf(
			"start = %s under [service] has no effect: what runs is %s", quote(start), quote(runs)))
	}
}

// A table is a TOML table whose values are not decoded yet. Its keys match exactly, unlike those of
// a struct, which match in upper and lower case.
type table map[string]toml.Primitive

// A field is a key and where its value goes.
type field struct {
	key string
	to  any
}

// get decodes the fields that the table has.
func (t table) get(md toml.MetaData, fields []field) error {
	for _, f := range fields {
		if value, ok := t[f.key]; ok {
			if err := md.PrimitiveDecode(value, f.to); err != nil {
				return err
			}
		}
	}
	return nil
}

// A setter checks and stores a value while it is decoded, because only then does the parser know
// the line.
type setter func(v any) error

func (s setter) UnmarshalTOML(v any) error { return s(v) }

// into returns a setter that stores the converted value. If convert refuses it, the error says what
// is wrong with it.
func into[T any](to *T, convert func(v any) (T, bool), wrong string) setter {
	return func(v any) error {
		value, ok := convert(v)
		if !ok {
			return fmt.Errorf("%s %s", quote(v), wrong)
		}
		*to = value
		return nil
	}
}

// checkTable refuses values that are no table. The parser would decode them to an empty map.
func checkTable(v any) error {
	switch v.(type) {
	case map[string]any:
		return nil
	case []map[string]any:
		return errors.New("[[service]] is a list of tables: write [service]")
	}
	return fmt.Errorf("%s is not a table", quote(v))
}

func text(v any) (string, bool) {
	s, ok := v.(string)
	return s, ok
}

func fileName(v any) (string, bool) {
	s, ok := v.(string)
	return s, ok && plainName(s)
}

func healthPath(v any) (string, bool) {
	s, _ := v.(string)
	bad := func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }
	return s, strings.HasPrefix(s, "/") && len(s) <= maxHealth && !strings.ContainsFunc(s, bad)
}

func startup(v any) (eager, ok bool) { return v == "eager", v == "eager" || v == "lazy" }

func duration(v any) (time.Duration, bool) {
	s, _ := v.(string)
	d, err := time.ParseDuration(s)
	return d, err == nil && 0 < d && d <= time.Hour
}

func between(least, most int64) func(v any) (int, bool) {
	return func(v any) (int, bool) {
		n, ok := v.(int64)
		return int(n), ok && least <= n && n <= most
	}
}

// quote formats a wrong value on one line and at a bounded length.
func quote(v any) string {
	switch v := v.(type) {
	case int64, bool:
		return fmt.Sprint(v)
	case float64:
		s := strconv.FormatFloat(v, 'g', -1, 64)
		if strings.Trim(s, "-0123456789") == "" {
			s += ".0" // so that 9801.0 does not look like a good port
		}
		return s
	}
	return strconv.Quote(protocol.Clip(fmt.Sprint(v), maxQuote))
}
