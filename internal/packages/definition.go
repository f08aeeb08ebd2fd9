package packages

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"github.com/BurntSushi/toml"
)

// definition is what the daemon needs of a package.toml. The types of its
// fields check themselves while they are decoded, because only then does the parser
// still know the line.
type definition struct {
	binary     fileName
	hasService bool
	port       port // 0: none
	health     healthPath
	eager      startup
}

func readDefinition(path string) (definition, error) {
	data, err := readFile(path)
	if err != nil {
		return definition{}, err
	}
	def, err := parseDefinition(string(data))
	if err != nil {
		return def, fmt.Errorf("%s: %s", path, strings.TrimPrefix(err.Error(), "toml: "))
	}
	return def, nil
}

// table is a TOML table that is not decoded yet. Fields are picked by
// their exact names; decoding into a struct would take them in any case.
type table map[string]toml.Primitive

func parseDefinition(data string) (definition, error) {
	def := definition{health: "/health"}
	if err := checkDepth(data); err != nil {
		return def, err
	}
	var top, service table
	md, err := toml.Decode(data, &top)
	if err != nil {
		return def, err
	}
	_, def.hasService = top["service"]
	var ignored text
	for _, f := range []struct {
		in  *table
		key string
		to  any
	}{
		{&top, "name", &ignored},
		{&top, "version", &ignored},
		{&top, "binary", &def.binary},
		{&top, "service", new(isTable)},
		{&top, "service", &service},
		{&service, "start", &ignored},
		{&service, "port", &def.port},
		{&service, "health", &def.health},
		{&service, "startup", &def.eager},
	} {
		if err := f.in.get(md, f.key, f.to); err != nil {
			return def, err
		}
	}
	return def, nil
}

// get decodes the field key, if it is there, to where to points.
func (t table) get(md toml.MetaData, key string, to any) error {
	value, ok := t[key]
	if !ok {
		return nil
	}
	return md.PrimitiveDecode(value, to)
}

type (
	text       struct{} // checked, and of no use here
	fileName   string
	port       int
	healthPath string
	startup    bool
	isTable    struct{} // toml decodes what is no table into a map as an empty one
)

func (isTable) UnmarshalTOML(v any) error {
	if _, ok := v.(map[string]any); !ok {
		return fmt.Errorf("%s is not a table", quote(v))
	}
	return nil
}

func (text) UnmarshalTOML(v any) error {
	if _, ok := v.(string); !ok {
		return fmt.Errorf("%s is not a string in quotes", quote(v))
	}
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

// quote shows a value of the wrong kind on one line and at a bounded length.
func quote(v any) string {
	s := fmt.Sprint(v)
	switch v.(type) {
	case int64, float64, bool:
	default:
		s = strconv.Quote(s)
	}
	if len(s) > 100 {
		s = strings.ToValidUTF8(s[:100], "") + "…"
	}
	return s
}
