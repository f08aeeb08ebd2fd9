package protocol

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzDecodeRequest compares the decoder with a model: the standard library's map for the values,
// and a count of the keys for the duplicates.
func FuzzDecodeRequest(f *testing.F) {
	for _, seed := range []string{
		`{"request":"ping"}`, "{\"request\":\"ping\"}\r\n", ` { "request" : "status" , "verbose" : true } `,
		`{"request":"start-service","name":"kv"}`, `{"name":null,"request":"stop-service"}`,
		`{"REQUEST":"ping"}`, `{"reque\u017ft":"ping"}`, `{"requ\u0065st":"ping"}`,
		`{"request":"ping","request":"shutdown"}`, `{"request":"a","name":"b","name":null}`,
		`{"request":"ping"}{}`, `{"request":"ping"} x`, `{"request":"ping",}`, `{"request":"ping"]`,
		`{"request":1}`, `{"request":null}`, `{"request":"ping","name":[]}`, `{"a":{"request":"x"},"request":"ping"}`,
		"\xff", "{\"request\":\"\xed\xa0\x80\"}", `{"request":"\ud800"}`, "\u00a0{\"request\":\"ping\"}\u2028", "\uFEFF{}",
		"GET / HTTP/1.1\r\n", "", "{", "null", `[]`, `{"verbose":1e999,"request":""}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		got, err := DecodeRequest(line)
		want, ok := model(line)
		if (err == nil) != ok {
			t.Fatalf("%q: got %+v, %v; the model says %v", line, got, err, ok)
		}
		if got != want {
			t.Fatalf("%q: got %+v; the model says %+v", line, got, want)
		}
	})
}

// model is the rule in the plainest way: one JSON object, a string "request", a string or null
// "name", no known field twice, nothing deeper than 100 levels.
func model(line []byte) (Request, bool) {
	text := strings.TrimSpace(string(line))
	var fields map[string]json.RawMessage
	if !utf8.ValidString(text) || !strings.HasPrefix(text, "{") || json.Unmarshal([]byte(text), &fields) != nil {
		return Request{}, false
	}
	var request, name any
	json.Unmarshal(fields["request"], &request)
	json.Unmarshal(fields["name"], &name)
	var req Request
	var isString bool
	if req.Request, isString = request.(string); !isString {
		return Request{}, false
	}
	if req.Name, isString = name.(string); !isString && name != nil {
		return Request{}, false
	}
	_, hasName := fields["name"]
	if hasName && name == nil && string(fields["name"]) != "null" { // a number that any cannot hold
		return Request{}, false
	}
	req.Verbose = string(fields["verbose"]) == "true"
	count, depth := keys(text)
	if count["request"] > 1 || count["name"] > 1 || count["verbose"] > 1 || depth > 101 {
		return Request{}, false
	}
	return req, true
}

// keys counts the keys of the outermost object of valid JSON: the strings that a colon follows. It
// also returns how deep the JSON nests.
func keys(text string) (count map[string]int, deepest int) {
	count = make(map[string]int)
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '{', '[':
			depth++
			deepest = max(deepest, depth)
		case '}', ']':
			depth--
		case '"':
			end := i + 1
			for ; text[end] != '"'; end++ {
				if text[end] == '\\' {
					end++
				}
			}
			var s string
			json.Unmarshal([]byte(text[i:end+1]), &s)
			if depth == 1 && strings.HasPrefix(strings.TrimLeft(text[end+1:], " \t\r\n"), ":") {
				count[s]++
			}
			i = end
		}
	}
	return count, deepest
}

// nameRE is the rule for the name of a package.
var nameRE = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

func FuzzValidName(f *testing.F) {
	for _, seed := range []string{
		"kv", "a", "a1", "a-1", "a-b-c", "", "-", "a-", "-a", "a--b", "1a", "A", "a_b", "a.b", "..", "a/b", `a\b`, "a\x00", "a\n", "é", "a\xff",
		strings.Repeat("a", 100), strings.Repeat("a", 101), strings.Repeat("a-", 50) + "a", strings.Repeat("a-", 49) + "a",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if got, want := ValidName(name), len(name) <= 100 && nameRE.MatchString(name); got != want {
			t.Errorf("%q: got %v; the model says %v", name, got, want)
		}
	})
}
