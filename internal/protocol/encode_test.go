package protocol

import "testing"

func TestEncodeLine(t *testing.T) {
	t.Parallel()
	zero, seven := 0, 7
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
		{"not UTF-8", Reply{Error: "a\xffb"}, `{"ok":false,"error":"a\ufffdb"}`},
		{"verbose", Service{"kv", 9200, "running", &Details{42, &zero, 1, 2, "1.0.0", "exit status 1", &seven}},
			`{"name":"kv","port":9200,"status":"running","pid":42,"uptime_s":0,"restarts":1,"failures":2,"version":"1.0.0","last_error":"exit status 1","next_retry_s":7}`},
		{"verbose without a process", Service{"kv", 9200, "failed", &Details{Version: "1.0.0"}},
			`{"name":"kv","port":9200,"status":"failed","restarts":0,"failures":0,"version":"1.0.0"}`},
		{"request", Request{Request: "ping"}, `{"request":"ping"}`},
		{"request with all", Request{"status", "kv", true}, `{"request":"status","name":"kv","verbose":true}`},
	} {
		t.Run(c.about, func(t *testing.T) {
			t.Parallel()
			if got := string(EncodeLine(c.value)); got != c.want+"\n" {
				t.Errorf("got  %swant %s", got, c.want)
			}
		})
	}
}
