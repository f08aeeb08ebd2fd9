package packages

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/BurntSushi/toml"
)

// definition holds the fields of a package.toml that the daemon needs. Their types check the values
// while these are decoded, because only then does the parser know the line.
type definition struct {
	binary        fileName
	hasService    bool
	port          port // 0: none
	health        healthPath
	eager         startup
	startTimeout  duration
	stopTimeout   duration // 0: none
	healthTimeout duration
	healthRetries retries

	warnings []string // what has no effect
}

const (
	defaultStopTimeout = 5 * time.Second
	maxTimeout         = time.Hour
	maxRetries         = 1000
	maxWarnings        = 10
)

// service returns the service that the definition in dir describes.
func (d definition) service(name, version, dir string) Service {
	s := Service{
		Name: name, Version: version, Dir: dir, Binary: filepath.Join(dir, string(d.binary)),
		Port: int(d.port), Health: string(d.health), Eager: bool(d.eager),
		StartTimeout: time.Duration(d.startTimeout), StopTimeout: time.Duration(d.stopTimeout),
		HealthTimeout: time.Duration(d.healthTimeout), HealthRetries: int(d.healthRetries),
		StopTimeoutSet: d.stopTimeout != 0,
	}
	if !s.StopTimeoutSet {
		s.StopTimeout = defaultStopTimeout
	}
	for _, w := range d.warnings {
		s.Warnings = append(s.Warnings, filepath.Join(dir, "package.toml")+": "+w)
	}
	return s
}

func readDefinition(path string) (definition, error) {
	data, err := readFile(path, maxDefinition)
	if err != nil {
		return definition{}, err
	}
	def, err := parseDefinition(string(data))
	if err != nil {
		return def, fmt.Errorf("%s: %w", path, err)
	}
	return def, nil
}

// table is a TOML table whose values are not decoded yet. Its keys match exactly, unlike those of a
// struct, which match in upper and lower case.
type table map[string]toml.Primitive

func parseDefinition(data string) (definition, error) {
	def := definition{
		health:        "/health",
		startTimeout:  duration(10 * time.Second),
		healthTimeout: duration(2 * time.Second),
	}
	if err := checkBounds(data); err != nil {
		return def, err
	}
	err := def.decode(data)
	var parse toml.ParseError
	if errors.As(err, &parse) {
		err = errors.New(describe(parse))
	}
	return def, err
}

// describe returns the message of a ParseError at a bounded length. A file can put names and values
// of any length into it.
func describe(e toml.ParseError) string {
	key := ""
	if e.LastKey != "" {
		key = " (last key " + quote(e.LastKey) + ")"
	}
	return fmt.Sprintf("line %d%s: %s", e.Position.Line, key, clip(e.Message, maxMessage))
}

func (d *definition) decode(data string) error {
	var top, service table
	md, err := toml.Decode(data, &top)
	if err != nil {
		return err
	}
	_, d.hasService = top["service"]
	var ignored, start text
	inService := []field{
		{"start", &start},
		{"port", &d.port},
		{"health", &d.health},
		{"startup", &d.eager},
		{"start-timeout", &d.startTimeout},
		{"stop-timeout", &d.stopTimeout},
		{"health-timeout", &d.healthTimeout},
		{"health-retries", &d.healthRetries},
	}
	err = top.get(md, []field{{"name", &ignored}, {"version", &ignored}, {"binary", &d.binary}, {"service", new(isTable)}, {"service", &service}})
	if err == nil {
		err = service.get(md, inService)
	}
	d.warn(service, inService, string(start))
	return err
}

// warn adds a warning for each key under [service] that has no effect.
func (d *definition) warn(service table, known []field, start string) {
	for key := range service {
		if !slices.ContainsFunc(known, func(f field) bool { return f.key == key }) {
			d.warnings = append(d.warnings, fmt.Sprintf("unknown key %s under [service] has no effect", quote(key)))
		}
	}
	slices.Sort(d.warnings)
	if n := len(d.warnings); n > maxWarnings {
		d.warnings = append(d.warnings[:maxWarnings], fmt.Sprintf("%d more unknown keys under [service]", n-maxWarnings))
	}
	if runs := string(d.binary) + " --listen=:{port}"; start != "" && start != runs {
		d.warnings = append(d.warnings, fmt.Sprintf("start = %s under [service] has no effect: what runs is %s", quote(start), quote(runs)))
	}
}

// field is the key of a field and where its value goes.
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

type (
	text       string
	fileName   string
	port       int
	healthPath string
	startup    bool
	duration   time.Duration
	retries    int
	isTable    struct{} // refuses other values, which toml decodes to an empty map
)

func (isTable) UnmarshalTOML(v any) error {
	switch v.(type) {
	case map[string]any:
		return nil
	case []map[string]any:
		return errors.New("[[service]] is a list of tables: write [service]")
	}
	return fmt.Errorf("%s is not a table", quote(v))
}

func (t *text) UnmarshalTOML(v any) error {
	s, ok := v.(string)
	if !ok {
		return fmt.Errorf("%s is not a string in quotes", quote(v))
	}
	*t = text(s)
	return nil
}

func (n *fileName) UnmarshalTOML(v any) error {
	s, ok := v.(string)
	if !ok || !plainName(s) {
		return fmt.Errorf("%s is not a plain file name", quote(v))
	}
	*n = fileName(s)
	return nil
}

func (p *port) UnmarshalTOML(v any) error {
	n, ok := v.(int64)
	if !ok || n < 1 || n > 65535 {
		return fmt.Errorf("%s is not a port number from 1 to 65535", quote(v))
	}
	*p = port(n)
	return nil
}

func (h *healthPath) UnmarshalTOML(v any) error {
	s, ok := v.(string)
	bad := func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }
	if !ok || !strings.HasPrefix(s, "/") || len(s) > maxHealth || strings.ContainsFunc(s, bad) {
		return fmt.Errorf("%s is not a health path: it starts with a slash and has no spaces or control characters", quote(v))
	}
	*h = healthPath(s)
	return nil
}

func (e *startup) UnmarshalTOML(v any) error {
	if v != "eager" && v != "lazy" {
		return fmt.Errorf(`%s is neither "eager" nor "lazy"`, quote(v))
	}
	*e = v == "eager"
	return nil
}

func (d *duration) UnmarshalTOML(v any) error {
	s, _ := v.(string)
	t, err := time.ParseDuration(s)
	if err != nil || t <= 0 || t > maxTimeout {
		return fmt.Errorf(`%s is not a duration in quotes, as in "1m30s", of more than 0 and at most 1h`, quote(v))
	}
	*d = duration(t)
	return nil
}

func (r *retries) UnmarshalTOML(v any) error {
	n, ok := v.(int64)
	if !ok || n < 0 || n > maxRetries {
		return fmt.Errorf("%s is not a whole number from 0 to %d", quote(v), maxRetries)
	}
	*r = retries(n)
	return nil
}

const (
	maxQuote   = 100 // bytes of a value in a message
	maxMessage = 400 // bytes of a message of the parser
)

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
	return strconv.Quote(clip(fmt.Sprint(v), maxQuote))
}
