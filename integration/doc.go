// Package integration drives zrd and zrctl as their users do: over TCP, the command line and
// signals, against the misbehaving service in fake/. Its tests build the programs themselves and
// need nothing but Go. They run on Unix systems.
package integration
