package daemon

import (
	"errors"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// Who has said no line for lineTimeout is cut short, each in its time, and nobody who has spoken.
func TestSilentClientsExpire(t *testing.T) {
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	accepted := func() *net.TCPConn {
		client, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { client.Close() })
		conn, err := l.AcceptTCP()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return conn
	}
	tcp := []*net.TCPConn{accepted(), accepted(), accepted(), accepted()}
	synctest.Test(t, func(t *testing.T) {
		cs := newConns(8)
		wantSilent := func(n int) {
			t.Helper()
			synctest.Wait()
			cs.mu.Lock()
			defer cs.mu.Unlock()
			if got := cs.silent.Len(); got != n {
				t.Errorf("%v: %d are silent, want %d", time.Now(), got, n)
			}
		}
		first := cs.add(tcp[0], nil)
		time.Sleep(lineTimeout / 2)
		second, spoken := cs.add(tcp[1], nil), cs.add(tcp[2], nil)
		cs.hasSpoken(spoken)
		time.Sleep(lineTimeout/2 - time.Nanosecond)
		wantSilent(2)
		time.Sleep(time.Nanosecond)
		wantSilent(1)
		wantCut(t, first)
		time.Sleep(lineTimeout/2 - time.Nanosecond)
		wantSilent(1)
		time.Sleep(time.Nanosecond)
		wantSilent(0)
		wantCut(t, second)
		time.Sleep(time.Hour) // long after the last one is gone, the next is timed anew
		late := cs.add(tcp[3], nil)
		time.Sleep(lineTimeout - time.Nanosecond)
		wantSilent(1)
		time.Sleep(time.Nanosecond)
		wantSilent(0)
		wantCut(t, late)
	})
}

func wantCut(t *testing.T, c *conn) {
	t.Helper()
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("it can still read: %v", err)
	}
}

// Who waits for room while everybody waits for the end of the server is let go.
func TestNoMoreWaiting(t *testing.T) {
	t.Parallel()
	cs := newConns(1)
	cs.open[&conn{}] = struct{}{} // one that has spoken
	done := make(chan struct{})
	go func() {
		defer close(done)
		cs.makeRoom()
	}()
	cs.noMoreWaiting()
	select {
	case <-done:
	case <-time.After(limit):
		t.Error("it waits")
	}
	if cs.hasRoom() {
		t.Error("there is room")
	}
}

// A client that does not read a long reply has its time: writeTimeout, once, in real time, and less in the end.
func TestDeafClients(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		about       string
		ending      time.Duration
		least, most time.Duration
	}{
		{"at rest", 0, writeTimeout - time.Second, time.Hour},
		{"in the end", 50 * time.Millisecond, 0, writeTimeout / 2},
	} {
		t.Run(c.about, func(t *testing.T) {
			t.Parallel()
			client, server := connected(t)
			defer client.Close()
			defer server.Close()
			cs := newConns(8)
			conn := cs.add(server, nil)
			if c.ending > 0 {
				cs.setEnding(c.ending)
			}
			cs.replying(conn, shortReply+1)
			began, done := time.Now(), make(chan error, 1)
			go func() {
				_, err := conn.Write(make([]byte, 64<<20)) // more than any system takes at once
				done <- err
			}()
			select {
			case err := <-done:
				if took := time.Since(began); !errors.Is(err, os.ErrDeadlineExceeded) || took < c.least || took > c.most {
					t.Errorf("%v after %v", err, took)
				}
			case <-time.After(limit):
				t.Error("it may take for ever")
			}
		})
	}
}

// connected returns the two ends of a connection.
func connected(t *testing.T) (client, server *net.TCPConn) {
	t.Helper()
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	server, err = l.AcceptTCP()
	if err != nil {
		t.Fatal(err)
	}
	return conn.(*net.TCPConn), server
}
