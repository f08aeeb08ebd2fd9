package protocol

import "testing"

func TestEncodeLine(t *testing.T) {
	t.Parallel()
	zero, seven := 0, 7
	verbose := func(d *Details) Reply {
		return Reply{OK: true, Services: []Service{{"kv", 9200, "running", d}}}
	}
	for _, c := range []struct {
		about string
		value any
		want  string
	}{
		{"ok", Reply{OK: true}, `{"ok":true}`},
		{"error", Reply{Error: "package 'kv' not found"}, `{"ok":false,"error":"package 'kv' not found"}`},
		{"port", Reply{OK: true, Port: 9200}, `{"ok":true,"port":9200}`},
		{"no services", Reply{OK: true, Services: []Service{}}, `{"ok":true,"services":[]}`},
		{"all in order", Reply{true, "e", 1, []Service{{Name: "a", Port: 2, Status: "running"}, {"b", 3, "failed", nil}}},
			`{"ok":true,"error":"e","port":1,"services":[{"name":"a","port":2,"status":"running"},{"name":"b","port":3,"status":"failed"}]}`},
		{"no HTML escapes", Reply{Error: "unknown request: <b>&'"}, `{"ok":false,"error":"unknown request: <b>&'"}`},
		{"one line", Reply{Error: "a\nb\r\x00\"\\"}, `{"ok":false,"error":"a\nb\r\u0000\"\\"}`},
		{"a raw line separator", Reply{Error: "\u2028"}, `{"ok":false,"error":"\u2028"}`},
		{"verbose", verbose(&Details{42, 3, &zero, 1, 2, "1.0.0", "exit status 1", &seven}),
			`{"ok":true,"services":[{"name":"kv","port":9200,"status":"running","pid":42,"processes":3,"uptime_s":0,"restarts":1,"failures":2,"version":"1.0.0","last_error":"exit status 1","next_retry_s":7}]}`},
		{"a ping", Request{Request: "ping"}, `{"request":"ping"}`},
		{"a request with all fields", Request{"status", "kv", true}, `{"request":"status","name":"kv","verbose":true}`},
		{"verbose without a process", verbose(&Details{Version: "1.0.0"}),
			`{"ok":true,"services":[{"name":"kv","port":9200,"status":"running","restarts":0,"failures":0,"version":"1.0.0"}]}`},
	} {
		if got := string(EncodeLine(c.value)); got != c.want+"\n" {
			t.Errorf("%s:\n got %s\nwant %s", c.about, got, c.want)
		}
	}
}
