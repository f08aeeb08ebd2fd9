//go:build unix

package integration

import (
	"fmt"
	"sync"
	"testing"
)

// Concurrent starts of one name make one process and get the same answer. So does a start of a
// running service.
func TestConcurrentStarts(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	port := h.Install("kv", Behaviour{ListenAfter: 300})
	d := startDaemon(t, h)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() { want(t, "start", d.Start("kv"), portLine(port)) })
	}
	all.Wait()
	d.MustStart("kv", port)
	starts := h.Pids("kv", "start")
	if len(starts) != 1 {
		t.Fatalf("processes %v, want one", starts)
	}
	want(t, "the first event", h.Events("kv")[0], fmt.Sprintf("%d start --listen=:%d", starts[0], port))
}

// What the probe sends, byte for byte.
func TestProbeRequest(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	d := startDaemon(t, h)
	for name, path := range map[string]string{"default": "/health", "root": "/", "query": "/a/b%20c?d=e&f#g"} {
		var health []string
		if name != "default" {
			health = []string{fmt.Sprintf("health = %q", path)}
		}
		port := h.Install(name, Behaviour{}, health...)
		d.MustStart(name, port)
		h.WaitEvent(name, fmt.Sprintf("get GET %s HTTP/1.0 | Host: 127.0.0.1:%d | Connection: close", path, port))
	}
}
