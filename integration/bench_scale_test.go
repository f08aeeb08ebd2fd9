//go:build linux

package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"

	"zr/internal/protocol"
)

// BenchmarkSize is the daemon's threads and memory with 0, 200 and 1,000 services.
// threads-most is the most that were seen meanwhile, mass start and shutdown included. The limit of
// the memory is an empty accept loop.
func BenchmarkSize(b *testing.B) {
	h := newHome(b)
	few, more := h.installMany(b, 200), h.installMany(b, 800)
	_, loop := startLoop(b)
	for b.Loop() {
		d := benchDaemon(b, h)
		most := watchThreads(b, d)
		empty := size(b, d, "0")
		startAll(b, d, few)
		some := size(b, d, "200")
		startAll(b, d, more)
		many := size(b, d, "1000")
		b.ReportMetric(float64(many-some)/800, "kB/service")
		b.ReportMetric(float64(procNumber(b, loop, "VmRSS"))/1000, "limit-MB@0")
		b.ReportMetric(float64(empty)/float64(procNumber(b, loop, "VmRSS")), "x-limit-MB@0")
		shutDown(b, d)
		b.ReportMetric(float64(most()), "threads-most")
	}
	b.ReportMetric(0, "ns/op")
}

// size reports threads and memory once the daemon has come to rest.
func size(b *testing.B, d *Daemon, services string) (kB int) {
	b.Helper()
	time.Sleep(2 * time.Second)
	kB = procNumber(b, d.Pid(), "VmRSS")
	b.ReportMetric(float64(kB)/1000, "MB@"+services)
	b.ReportMetric(float64(procNumber(b, d.Pid(), "Threads")), "threads@"+services)
	return kB
}

// watchThreads samples until the daemon has exited.
func watchThreads(b *testing.B, d *Daemon) (most func() int) {
	result := make(chan int)
	go func() {
		most := 0
		for !d.exited() {
			if tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", d.Pid())); err == nil {
				most = max(most, len(tasks))
			}
			time.Sleep(10 * time.Millisecond)
		}
		result <- most
	}()
	return func() int { return <-result }
}

func shutDown(b *testing.B, d *Daemon) {
	b.Helper()
	if err := request(d, "shutdown", ""); err != nil {
		b.Fatal(err)
	}
	d.WaitExit(0)
}

// BenchmarkRest is the daemon's processor time and context switches for a minute at rest, measured
// over two checks of each service. The limit is a program that checks the same services one after
// the other.
func BenchmarkRest(b *testing.B) {
	for _, services := range []int{50, 200, 1000} {
		b.Run(strconv.Itoa(services), func(b *testing.B) {
			h := newHome(b)
			d := benchDaemon(b, h)
			startAll(b, d, h.installMany(b, services))
			args := []string{"check", "10s"}
			for _, service := range verbose(b, d) {
				args = append(args, strconv.Itoa(service.Port))
			}
			for b.Loop() {
				const perMinute = 3
				used, switched := cpuTime(b, d.Pid()), switches(b, d.Pid())
				out, err := exec.Command(program(b, "bare"), args...).Output()
				used, switched = cpuTime(b, d.Pid())-used, switches(b, d.Pid())-switched
				var limit time.Duration
				var limitSwitches int
				if _, scanErr := fmt.Sscan(string(out), &limit, &limitSwitches); err != nil || scanErr != nil {
					b.Fatal(err, scanErr)
				}
				report(b, "cpu-ms/min", used*perMinute, limit*perMinute, time.Millisecond)
				b.ReportMetric(float64(switched*perMinute), "switches/min")
				b.ReportMetric(float64(limitSwitches*perMinute), "limit-switches/min")
			}
		})
	}
}

// switches returns how often the threads of a process have stopped running.
func switches(b *testing.B, pid int) (n int) {
	b.Helper()
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		b.Fatal(err)
	}
	for _, task := range tasks {
		id, _ := strconv.Atoi(task.Name())
		n += procNumber(b, id, "voluntary_ctxt_switches") + procNumber(b, id, "nonvoluntary_ctxt_switches")
	}
	return n
}

// BenchmarkMassStart is 200 services started by 8 clients and ended by one shutdown; the
// limit is starting and ending as many processes without a supervisor, 8 at a time.
func BenchmarkMassStart(b *testing.B) {
	const services = 200
	h := newHome(b)
	names := h.installMany(b, services)
	var start, end, bareStart, bareEnd, startCPU sample
	for b.Loop() {
		for range 3 {
			d := benchDaemon(b, h)
			idle := cpuTime(b, d.Pid())
			start.time(func() error { startAll(b, d, names); return nil })
			startCPU = append(startCPU, cpuTime(b, d.Pid())-idle)
			end.time(func() error { return request(d, "shutdown", "") })
			d.WaitExit(0)
			bareMass(b, services, &bareStart, &bareEnd)
		}
	}
	report(b, "ms/200-starts", start.median(), bareStart.median(), time.Millisecond)
	report(b, "ms/200-ends", end.median(), bareEnd.median(), time.Millisecond)
	b.ReportMetric(float64(startCPU.median())/float64(time.Millisecond), "cpu-ms/200-starts")
}

// bareMass starts processes and waits until each listens, then ends them all.
func bareMass(b *testing.B, n int, start, end *sample) {
	b.Helper()
	cmds := make([]*exec.Cmd, n) // on any port: nobody asks for them
	for i := range cmds {
		cmds[i] = exec.Command(program(b, "bare"), "--listen=:0")
	}
	start.time(func() error {
		each(b, cmds, 8, func(cmd *exec.Cmd) error {
			out, err := cmd.StdoutPipe()
			if err == nil {
				err = cmd.Start()
			}
			if err == nil {
				_, err = out.Read(make([]byte, 1))
			}
			return err
		})
		return nil
	})
	end.time(func() error {
		for _, cmd := range cmds {
			cmd.Process.Signal(syscall.SIGTERM)
		}
		for _, cmd := range cmds {
			cmd.Wait()
		}
		return nil
	})
}

// verbose is the verbose status.
func verbose(b *testing.B, d *Daemon) []protocol.Service {
	b.Helper()
	answer, err := exchange(d.Addr, `{"request":"status","verbose":true}`+"\n")
	var reply protocol.Reply
	if err == nil {
		err = json.Unmarshal([]byte(answer), &reply)
	}
	if err != nil {
		b.Fatal(err)
	}
	return reply.Services
}
