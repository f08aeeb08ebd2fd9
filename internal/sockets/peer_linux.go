package sockets

import (
	"errors"
	"io/fs"
	"net"
)

// PeerUID returns the user id of the process at the other end of a connection over
// loopback, as it is now: call it right after accept. Its error is ErrClosed or says
// why the table cannot be read.
func (t *Table) PeerUID(conn net.Conn) (uint32, error) {
	client, cok := conn.RemoteAddr().(*net.TCPAddr)
	server, sok := conn.LocalAddr().(*net.TCPAddr)
	if !cok || !sok {
		return 0, ErrUnknown
	}
	s, err := t.find(unmap(client.AddrPort()), unmap(server.AddrPort()))
	gone := s.inode == 0 || s.listening() // the kernel looks for a listener where it finds no connection
	if errors.Is(err, fs.ErrNotExist) || err == nil && gone {
		return 0, ErrClosed
	}
	return s.uid, err
}
