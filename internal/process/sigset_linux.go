//go:build linux && !(mips || mipsle || mips64 || mips64le)

package process

const (
	sigSetmask = 2 // SIG_SETMASK
	sigsetSize = 8
)
