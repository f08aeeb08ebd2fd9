package daemon

import (
	"io"
	"net"
	"runtime"
	"testing"
)

// A client that stays after an invalid request costs little memory. Not parallel, because the heap
// of other tests would count.
func TestLingerMemory(t *testing.T) {
	const clients = 60
	s := serve(t, &fakeServices{}, anybody, 2*clients)
	var conns []net.Conn
	for range clients {
		conns = append(conns, s.dial(t))
	}
	before := heap()
	for _, conn := range conns {
		io.WriteString(conn, "nonsense\n")
	}
	for _, conn := range conns {
		io.ReadFull(conn, make([]byte, 10)) // the reply is there: the client lingers
	}
	if grown := heap() - before; grown > clients*4<<10 {
		t.Errorf("%d clients take %d bytes each", clients, grown/clients)
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse)
}
