package protocol

import (
	"strings"
	"testing"
)

func TestDecodeRequest(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		about, line string
		want        Request
	}{
		{"bare", `{"request":"ping"}`, Request{Request: "ping"}},
		{"carriage return", "{\"request\":\"ping\"}\r", Request{Request: "ping"}},
		{"spaces around and inside", " \t{ \"request\" : \"ping\" } \r\n", Request{Request: "ping"}},
		{"name", `{"request":"start-service","name":"kv"}`, Request{Request: "start-service", Name: "kv"}},
		{"name first", `{"name":"kv","request":"stop-service"}`, Request{Request: "stop-service", Name: "kv"}},
		{"null name", `{"request":"start-service","name":null}`, Request{Request: "start-service"}},
		{"null name, spaces", `{"request":"start-service","name": null }`, Request{Request: "start-service"}},
		{"empty name", `{"request":"start-service","name":""}`, Request{Request: "start-service"}},
		{"unknown request", `{"request":"dance"}`, Request{Request: "dance"}},
		{"empty request", `{"request":""}`, Request{}},
		{"escapes", `{"requ\u0065st":"p\u0069ng"}`, Request{Request: "ping"}},
		{"not ASCII", `{"request":"прием"}`, Request{Request: "прием"}},
		{"other fields", `{"a":[{"request":1}],"request":"ping","b":{"name":2},"a":null}`, Request{Request: "ping"}},
		{"other case is another field", `{"request":"ping","NAME":7,"Request":8}`, Request{Request: "ping"}},
		{"verbose", `{"request":"status","verbose":true}`, Request{Request: "status", Verbose: true}},
		{"not verbose", `{"request":"status","verbose":false}`, Request{Request: "status"}},
		{"verbose of another type is ignored", `{"request":"status","verbose":"true"}`, Request{Request: "status"}},
		{"as deep as allowed", nested(100), Request{Request: "ping"}},
		{"brackets in a string", `{"a":"\"` + strings.Repeat("[", 200) + `","request":"ping"}`, Request{Request: "ping"}},
		{"null verbose", `{"request":"status","verbose":null}`, Request{Request: "status"}},
		{"verbose in another case", `{"request":"status","Verbose":true}`, Request{Request: "status"}},
	} {
		got, err := DecodeRequest([]byte(c.line))
		if err != nil || got != c.want {
			t.Errorf("%s: %q: got %+v, %v; want %+v", c.about, c.line, got, err, c.want)
		}
	}
}

func nested(depth int) string {
	return `{"a":` + strings.Repeat("[", depth) + strings.Repeat("]", depth) + `,"request":"ping"}`
}

func TestDecodeRequestRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ about, line, want string }{
		{"nothing", "", "an empty line"},
		{"white space", " \t\r\n", "an empty line"},
		{"not UTF-8", "{\"request\":\"\xff\"}", "not UTF-8"},
		{"half a rune at the end", "{\"request\":\"ping\"}\xc3", "not UTF-8"},
		{"byte order mark", "\uFEFF{\"request\":\"ping\"}", "a byte order mark (BOM) before the JSON object"},
		{"text", "ping", "not a JSON object"},
		{"HTTP", "GET / HTTP/1.1\r", "not a JSON object"},
		{"number", "1", "not a JSON object"},
		{"null", "null", "not a JSON object"},
		{"string", `"ping"`, "not a JSON object"},
		{"array", `[{"request":"ping"}]`, "not a JSON object"},
		{"no field", `{}`, "missing field `request`"},
		{"name alone", `{"name":"kv"}`, "missing field `request`"},
		{"upper case", `{"REQUEST":"ping"}`, "missing field `request`"},
		{"title case", `{"Request":"ping"}`, "missing field `request`"},
		{"folded case", `{"reque\u017ft":"ping"}`, "missing field `request`"}, // encoding/json takes ſ for s
		{"request twice", `{"request":"ping","request":"shutdown"}`, "duplicate field `request`"},
		{"request twice, once escaped", `{"request":"ping","\u0072equest":"ping"}`, "duplicate field `request`"},
		{"name twice", `{"request":"stop-service","name":"a","name":"a"}`, "duplicate field `name`"},
		{"name twice, once null", `{"request":"stop-service","name":null,"name":"a"}`, "duplicate field `name`"},
		{"null request", `{"request":null}`, "field `request` is not a string"},
		{"number for request", `{"request":1}`, "field `request` is not a string"},
		{"array for request", `{"request":["ping"]}`, "field `request` is not a string"},
		{"object for request", `{"request":{"request":"ping"}}`, "field `request` is not a string"},
		{"number for name", `{"request":"ping","name":1}`, "field `name` is not a string"},
		{"bool for name", `{"request":"ping","name":false}`, "field `name` is not a string"},
		{"array for name", `{"request":"ping","name":[]}`, "field `name` is not a string"},
		{"second object", `{"request":"ping"}{"request":"ping"}`, "more than one JSON object"},
		{"second object after a space", `{"request":"ping"} {}`, "more than one JSON object"},
		{"trailing brace", `{"request":"ping"}}`, "more than one JSON object"},
		{"trailing text", `{"request":"ping"} x`, "more than one JSON object"},
		{"trailing NUL", "{\"request\":\"ping\"}\x00", "a NUL byte after the JSON object"},
		{"verbose twice", `{"request":"status","verbose":true,"verbose":false}`, "duplicate field `verbose`"},
		{"half an object", `{"request":"ping"`, "unexpected end of the line"},
		{"half a string", `{"request":"pi`, "unexpected end of the line"},
		{"a brace", `{`, "unexpected end of the line"},
		{"key alone", `{"request"`, "unexpected end of the line"},
		{"key and colon", `{"request":`, "unexpected end of the line"},
		{"comma at the end", `{"request":"ping",}`, `unexpected character '}' at byte 19`},
		{"comma at the start", `{,"request":"ping"}`, `unexpected character ',' at byte 2`},
		{"two commas", `{"request":"ping",,"name":"a"}`, `unexpected character ',' at byte 19`},
		{"no colon", `{"request" "ping"}`, `unexpected character '"' at byte 12`},
		{"no comma", `{"request":"ping" "name":"a"}`, `unexpected character '"' at byte 19`},
		{"no comma in an array", `{"a":[1 2],"request":"ping"}`, `unexpected character '2' at byte 9`},
		{"wrong bracket", `{"request":"ping"]`, `unexpected character ']' at byte 18`},
		{"key that is no string", `{1:2,"request":"ping"}`, `unexpected character '1' at byte 2`},
		{"key that is an array", `{["request"]:"ping"}`, `unexpected character '[' at byte 2`},
		{"single quotes", `{'request':'ping'}`, `unexpected character '\'' at byte 2`},
		{"comment", `{"request":"ping"/**/}`, `unexpected character '/' at byte 18`},
		{"broken escape", `{"request":"\x"}`, `unexpected character 'x' at byte 14`},
		{"control character", "{\"request\":\"a\tb\"}", `unexpected character '\t' at byte 14`},
		{"NUL inside", "{\"request\":\x00\"ping\"}", `unexpected character '\x00' at byte 12`},
		{"not ASCII", `{"request":é}`, `unexpected character '\u00e9' at byte 12`},
		{"broken other field", `{"a":tru,"request":"ping"}`, `unexpected character ',' at byte 9`},
		{"leading zero", `{"a":01,"request":"ping"}`, `unexpected character '1' at byte 7`},
		{"deep", nested(101), "nested deeper than 100 levels"},
	} {
		got, err := DecodeRequest([]byte(c.line))
		if err == nil || err.Error() != c.want || got != (Request{}) {
			t.Errorf("%s: %q: got %+v, %v; want only the error %q", c.about, c.line, got, err, c.want)
		}
	}
}

// The daemon decodes what the client encodes.
func TestRequestRoundTrip(t *testing.T) {
	t.Parallel()
	for _, req := range []Request{
		{Request: Ping}, {Request: Start, Name: "kv"}, {Request: Status, Verbose: true},
		{Request: "<&>\u2028\n\"\\", Name: "../é\x00"},
	} {
		line := EncodeLine(req)
		if got, err := DecodeRequest(line); err != nil || got != req {
			t.Errorf("%q: got %+v, %v; want %+v", line, got, err, req)
		}
	}
}

func BenchmarkDecodeRequest(b *testing.B) {
	line := []byte(`{"request":"start-service","name":"kv"}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := DecodeRequest(line); err != nil {
			b.Fatal(err)
		}
	}
}
