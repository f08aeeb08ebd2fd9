package protocol

import "testing"

func BenchmarkDecodeRequest(b *testing.B) {
	line := []byte(`{"request":"start-service","name":"kv"}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := DecodeRequest(line); err != nil {
			b.Fatal(err)
		}
	}
}
