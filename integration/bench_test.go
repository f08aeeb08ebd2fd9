//go:build linux

package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The figures of README.md's table, each beside its limit: the same done by a
// program that does nothing else, in the same run on the same machine. Compare the ratios: the
// figures depend on the machine.
//
//	go test ./integration -run '^$' -bench .

// BenchmarkPing measures the processor time of the daemon for a ping on a new connection, from one
// client. The limit is an empty accept loop.
func BenchmarkPing(b *testing.B) {
	const block = 500 // pings, for each in turn
	d := benchDaemon(b, newHome(b))
	loop, loopPid := startLoop(b)
	var ours, bare sample
	pings := func(s *sample, addr string, pid int) {
		before := cpuTime(b, pid)
		for range block {
			if err := ping(addr); err != nil {
				b.Fatal(err)
			}
		}
		*s = append(*s, (cpuTime(b, pid)-before)/block)
	}
	for b.Loop() {
		for range 10 {
			pings(&ours, d.Addr, d.Pid())
			pings(&bare, loop, loopPid)
		}
	}
	report(b, "cpu-us/ping", ours.median(), bare.median(), time.Microsecond)
}

// BenchmarkPings measures how many pings a second 32 clients make, and the processor time of the
// daemon for each. The limit is an empty accept loop.
func BenchmarkPings(b *testing.B) {
	const block = 3000
	d := benchDaemon(b, newHome(b))
	loop, loopPid := startLoop(b)
	var ours, bare, oursCPU, bareCPU sample
	pings := func(took, cpu *sample, addr string, pid int) {
		before, began := cpuTime(b, pid), time.Now()
		each(b, make([]struct{}, block), 32, func(struct{}) error { return ping(addr) })
		*took = append(*took, time.Since(began)/block)
		*cpu = append(*cpu, (cpuTime(b, pid)-before)/block)
	}
	for b.Loop() {
		for range 7 {
			pings(&ours, &oursCPU, d.Addr, d.Pid())
			pings(&bare, &bareCPU, loop, loopPid)
		}
	}
	rate, limit := float64(time.Second/ours.median()), float64(time.Second/bare.median())
	b.ReportMetric(rate, "pings/s")
	b.ReportMetric(limit, "limit-pings/s")
	b.ReportMetric(rate/limit, "x-limit-pings/s")
	report(b, "cpu-us/ping", oursCPU.median(), bareCPU.median(), time.Microsecond)
}

// BenchmarkStart measures the time from when a service listens to the reply of its start. The limit
// is one probe.
func BenchmarkStart(b *testing.B) {
	for _, ready := range []int{0, 5, 25, 130, 330} {
		b.Run(fmt.Sprintf("ready=%dms", ready), func(b *testing.B) {
			h := newHome(b)
			binary := fmt.Sprintf("bare-%d", ready)
			port := h.InstallBare(b, "kv", binary)
			d := benchDaemon(b, h)
			var late, probe sample
			for b.Loop() {
				for range 9 {
					late = append(late, startLate(b, d, h.folder("kv")))
					if err := probe.time(func() error { return fetch(port) }); err != nil {
						b.Fatal(err)
					}
					stopAll(b, d, []string{"kv"})
				}
			}
			report(b, "ms-late", late.median(), probe.median(), time.Millisecond)
		})
	}
}

// startLate starts kv and returns the time from when it listened to the reply.
func startLate(b *testing.B, d *Daemon, folder string) time.Duration {
	b.Helper()
	note := filepath.Join(folder, "listening")
	os.Remove(note)
	if err := request(d, "start-service", "kv"); err != nil {
		b.Fatal(err)
	}
	answered := time.Now()
	var since int64
	eventually(b, note, func() bool {
		data, _ := os.ReadFile(note)
		since, _ = strconv.ParseInt(string(data), 10, 64)
		return since != 0
	})
	return answered.Sub(time.Unix(0, since))
}

// BenchmarkRestart measures the time from the SIGKILL of a healthy service until it serves again.
// The limit is the back-off.
func BenchmarkRestart(b *testing.B) {
	const services, apart = 10, 90 * time.Millisecond
	h := newHome(b)
	names := h.installMany(b, services)
	d := benchDaemon(b, h)
	var away sample
	for b.Loop() {
		startAll(b, d, names)
		var all sync.WaitGroup
		took := make([]time.Duration, services)
		for i, s := range verbose(b, d) {
			all.Go(func() {
				time.Sleep(time.Duration(i) * apart)
				took[i] = killAndWait(s.PID, s.Port)
			})
		}
		all.Wait()
		away = append(away, took...)
		stopAll(b, d, names) // the next round is a first failure again
	}
	report(b, "ms-away", away.median(), time.Second, time.Millisecond)
	b.ReportMetric(float64(away[len(away)-1])/float64(time.Millisecond), "ms-away-max")
}

func killAndWait(pid, port int) time.Duration {
	began := time.Now()
	syscall.Kill(pid, syscall.SIGKILL)
	time.Sleep(950 * time.Millisecond)
	for fetch(port) != nil && time.Since(began) < limit {
		time.Sleep(time.Millisecond)
	}
	return time.Since(began)
}

// BenchmarkStatusWhileHung measures status while a service hangs in its probe. The limit is an
// empty accept loop, asked in turn.
func BenchmarkStatusWhileHung(b *testing.B) {
	h := newHome(b)
	port := h.Install("hung", Behaviour{})
	h.InstallBare(b, "kv", "bare")
	d := benchDaemon(b, h, "-health-interval", "200ms")
	loop, _ := startLoop(b)
	startAll(b, d, []string{"kv"})
	var ours, bare sample
	for b.Loop() {
		h.Behave("hung", Behaviour{})
		d.MustStart("hung", port)
		h.Behave("hung", Behaviour{Hang: true})
		time.Sleep(300 * time.Millisecond) // into the next probe, which takes 2 s
		for range 700 {
			if err := ours.time(func() error { _, err := exchange(d.Addr, askStatus); return err }); err != nil {
				b.Fatal(err)
			}
			bare.time(func() error { return ping(loop) })
			time.Sleep(time.Millisecond)
		}
		d.WaitFailures("hung", 1)
		stopAll(b, d, []string{"hung"})
	}
	report(b, "ms-median", ours.median(), bare.median(), time.Millisecond)
	report(b, "ms-99%", ours[len(ours)*99/100], bare[len(bare)*99/100], time.Millisecond) // most slower ones are the machine's
	report(b, "ms-slowest", ours[len(ours)-1], bare[len(bare)-1], time.Millisecond)
}

// BenchmarkZrctlPing measures a whole run of zrctl ping. The limit is a Go program that only
// connects and writes one line.
func BenchmarkZrctlPing(b *testing.B) {
	d := benchDaemon(b, newHome(b))
	var ours, bare, oursCPU, bareCPU sample
	run := func(took, cpu *sample, name string, args ...string) {
		cmd := exec.Command(program(b, name), args...)
		if err := took.time(cmd.Run); err != nil {
			b.Fatal(err)
		}
		*cpu = append(*cpu, cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime())
	}
	for b.Loop() {
		for range 200 {
			run(&ours, &oursCPU, "zrctl", "-addr", d.Addr, "ping")
			run(&bare, &bareCPU, "bare", "knock", d.Addr)
		}
	}
	report(b, "ms/run", ours.median(), bare.median(), time.Millisecond)
	report(b, "cpu-ms/run", oursCPU.median(), bareCPU.median(), time.Millisecond)
}
