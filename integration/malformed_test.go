//go:build unix

package integration

import (
	"strings"
	"testing"
)

// A line that is no request gets an answer that says why, and nothing is done.
func TestMalformedLines(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.Install("kv", Behaviour{})
	d := startDaemon(t, h)
	for _, row := range []struct{ line, why string }{
		{``, "an empty line"},
		{" \t \r", "an empty line"},
		{`start-service kv`, "not a JSON object"},
		{`GET / HTTP/1.1`, "not a JSON object"},
		{`null`, "not a JSON object"},
		{`1`, "not a JSON object"},
		{`"ping"`, "not a JSON object"},
		{`["ping"]`, "not a JSON object"},
		{"\ufeff" + `{"request":"ping"}`, "a byte order mark (BOM) before the JSON object"},
		{"\x00" + `{"request":"ping"}`, "not a JSON object"},
		{"{\"request\":\"p\xffng\"}", "not UTF-8"},
		{"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "not UTF-8"}, // a TLS hello
		{`{`, "unexpected end of the line"},
		{`{"request"`, "unexpected end of the line"},
		{`{"request":`, "unexpected end of the line"},
		{`{"request":"ping"`, "unexpected end of the line"},
		{`{"request":"ping`, "unexpected end of the line"},
		{`{"request":"ping",`, "unexpected end of the line"},
		{`{"request":"ping","name":["kv"`, "unexpected end of the line"},
		{`{"request":"ping",}`, "unexpected character '}' at byte 19"},
		{`{"request":"ping"]`, "unexpected character ']' at byte 18"},
		{`{request:"ping"}`, "unexpected character 'r' at byte 2"},
		{`{'request':'ping'}`, `unexpected character '\\'' at byte 2`},
		{`{"request" "ping"}`, `unexpected character '\"' at byte 12`},
		{`{"request":ping}`, "unexpected character 'p' at byte 12"},
		{`{"request":"ping" "name":"kv"}`, `unexpected character '\"' at byte 19`},
		{"{\"request\":\"pi\tng\"}", `unexpected character '\\t' at byte 15`},
		{`{"request":"\q"}`, "unexpected character 'q' at byte 14"},
		{`{"request":"ping","x":01}`, "unexpected character '1' at byte 24"},
		{`{"request":"ping","x":NaN}`, "unexpected character 'N' at byte 23"},
		{`{"request":"ping"}{"request":"ping"}`, "more than one JSON object"},
		{`{"request":"ping"} {}`, "more than one JSON object"},
		{`{"request":"ping"}]`, "more than one JSON object"},
		{`{"request":"ping"} x`, "more than one JSON object"},
		{"{\"request\":\"ping\"}\x00", "a NUL byte after the JSON object"},
		{`{}`, "missing field `request`"},
		{`{"name":"kv"}`, "missing field `request`"},
		{`{"REQUEST":"start-service","name":"kv"}`, "missing field `request`"},
		{`{"Request":"start-service","name":"kv"}`, "missing field `request`"},
		{`{"request":null}`, "field `request` is not a string"},
		{`{"request":7}`, "field `request` is not a string"},
		{`{"request":true}`, "field `request` is not a string"},
		{`{"request":["start-service"],"name":"kv"}`, "field `request` is not a string"},
		{`{"request":{"start-service":"kv"}}`, "field `request` is not a string"},
		{`{"request":"start-service","name":7}`, "field `name` is not a string"},
		{`{"request":"start-service","name":["kv"]}`, "field `name` is not a string"},
		{`{"request":"start-service","name":false}`, "field `name` is not a string"},
		{`{"request":"ping","request":"start-service","name":"kv"}`, "duplicate field `request`"},
		{`{"request":"start-service","name":"kv","name":"kv"}`, "duplicate field `name`"},
		{`{"request":"ping","x":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}`, "nested deeper than 100 levels"},
	} {
		want(t, row.line, converse(t, d.Addr, row.line+"\n"), errorLine("invalid daemon request: "+row.why))
	}
	want(t, "status", d.Status(), statusLine())
	if starts := h.Pids("kv", "start"); len(starts) > 0 {
		t.Errorf("a line that is no request started kv: processes %v", starts)
	}
}

// The name of another case is no name.
func TestExactFieldNames(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	port := h.Install("kv", Behaviour{})
	d := startDaemon(t, h)
	for _, field := range []string{"NAME", "Name", "nam\u212a"} {
		want(t, field, d.Ask(`{"request":"start-service","`+field+`":"kv"}`), errorLine("missing service name"))
	}
	want(t, "both cases", d.Ask(`{"NAME":"nobody","request":"start-service","name":"kv","Name":"nobody"}`), portLine(port))
}
