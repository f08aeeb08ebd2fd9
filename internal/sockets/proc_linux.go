package sockets

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// procTable is not /proc/net/tcp, which is missing under systemd's ProcSubset=pid.
const procTable = "/proc/self/net/tcp"

// findIn returns the first row that match accepts in the tables at path and path+"6", or
// fs.ErrNotExist. A machine without IPv6 lacks the second table.
func findIn(path string, match func(socket) bool) (socket, error) {
	for _, path := range []string{path, path + "6"} {
		table, err := os.ReadFile(path)
		if err != nil && !(errors.Is(err, fs.ErrNotExist) && strings.HasSuffix(path, "6")) {
			return socket{}, errors.New(err.Error()) // not ErrNotExist, which means a missing row
		}
		for row := range strings.Lines(string(table)) {
			if s, ok := parseRow(row); ok && match(s) {
				return s, nil
			}
		}
	}
	return socket{}, fs.ErrNotExist
}

// parseRow parses one row: number, local and remote address, state (0A is LISTEN), queues, timer,
// retransmits, user id, time-out, inode. The heading does not parse.
func parseRow(row string) (socket, bool) {
	fields := strings.Fields(row)
	if len(fields) < 10 {
		return socket{}, false
	}
	local, lok := parseAddr(fields[1])
	remote, rok := parseAddr(fields[2])
	state, serr := strconv.ParseUint(fields[3], 16, 8)
	uid, uerr := strconv.ParseUint(fields[7], 10, 32)
	inode, ierr := strconv.ParseUint(fields[9], 10, 32)
	if !lok || !rok || serr != nil || uerr != nil || ierr != nil {
		return socket{}, false
	}
	return socket{local, remote, uint8(state), uint32(uid), uint32(inode)}, true
}

// parseAddr parses "0100007F:4A9C": the address in hexadecimal words of the machine's own byte
// order, the port in hexadecimal.
func parseAddr(s string) (netip.AddrPort, bool) {
	host, port, ok := strings.Cut(s, ":")
	raw, err := hex.DecodeString(host)
	n, perr := strconv.ParseUint(port, 16, 16)
	if !ok || err != nil || perr != nil || len(raw)%4 != 0 {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(raw); i += 4 {
		binary.NativeEndian.PutUint32(raw[i:], binary.BigEndian.Uint32(raw[i:]))
	}
	addr, ok := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(addr.Unmap(), uint16(n)), ok
}
