package sockets

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io/fs"
	"net/netip"
	"os"
	"strconv"
	"strings"
)

// findInProc returns the first row of /proc/self/net/tcp or tcp6 that match accepts, or
// fs.ErrNotExist. /proc/net would be missing under systemd's ProcSubset=pid.
func findInProc(match func(socket) bool) (socket, error) {
	return findIn("/proc/self/net/tcp", match)
}

// findIn is findInProc for the tables at path and path+"6". The latter is missing on a machine
// without IPv6.
func findIn(path string, match func(socket) bool) (socket, error) {
	for _, path := range []string{path, path + "6"} {
		s, err := scanTable(path, match)
		if err == nil {
			return s, nil
		}
		if !errors.Is(err, errNoRow) && !(strings.HasSuffix(path, "6") && errors.Is(err, fs.ErrNotExist)) {
			return socket{}, errors.New(err.Error()) // a missing table is not a missing row
		}
	}
	return socket{}, fs.ErrNotExist
}

var errNoRow = errors.New("no such row")

func scanTable(path string, match func(socket) bool) (socket, error) {
	f, err := os.Open(path)
	if err != nil {
		return socket{}, err
	}
	defer f.Close()
	rows := bufio.NewScanner(f)
	for rows.Scan() {
		if s, ok := parseRow(rows.Text()); ok && match(s) {
			return s, nil
		}
	}
	if err := rows.Err(); err != nil {
		return socket{}, err
	}
	return socket{}, errNoRow
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
