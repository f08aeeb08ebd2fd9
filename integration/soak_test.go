//go:build linux

package integration

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

var soakTime = flag.Duration("soak", 20*time.Second, "how long the soak test makes random requests")

// What a service must be in the end, after its last request.
const (
	mustBeDown = iota
	mustBeFailed
	mustBeUp  // or failed five times in a row
	mayBeBoth // after a start and a stop at once
)

// A soakedService is a service and what its clients know of it. Its requests follow each other, so
// their outcome is known. Kills and hangs come at any moment.
type soakedService struct {
	name string
	port int

	mu   sync.Mutex
	want int

	behaving sync.Mutex // held while its behaviour is changed
}

// A soak is a run of the soak test.
type soak struct {
	*Daemon
	services []*soakedService
	done     [6]atomic.Int64 // how often each action was done
}

var soakActions = []struct {
	name   string
	weight int
	do     func(*soak, *soakedService)
}{
	{"starts", 5, (*soak).start},
	{"stops", 3, (*soak).stop},
	{"both", 1, (*soak).both},
	{"kills", 2, (*soak).kill},
	{"hangs", 1, (*soak).hang},
	{"statuses", 4, func(s *soak, _ *soakedService) { s.list() }},
}

// Sixteen clients do anything to fifty services. Each reply is well-formed, each service is in the
// end what the requests made of it, and later the daemon has as many descriptors as before, and no
// children.
func TestSoak(t *testing.T) {
	t.Parallel()
	needFiles(t, 150)
	length := *soakTime
	if testing.Short() {
		length = min(length, 5*time.Second)
	}
	h := newHome(t)
	s := &soak{Daemon: startDaemon(t, h, "-health-interval", "500ms")}
	for i := range 50 {
		name := fmt.Sprintf("s%d", i)
		s.services = append(s.services, &soakedService{name: name, port: h.Install(name, Behaviour{})})
	}
	s.Ask(`{"request":"ping"}`)
	rest := restingDescriptors(t, s.Daemon)
	end := time.Now().Add(length)
	together(16, func(int) {
		for time.Now().Before(end) {
			s.act()
			time.Sleep(time.Duration(rand.IntN(200)) * time.Millisecond) // the machine has other tests to run
		}
	})
	s.settle()
	s.checkRest(rest)
	for i, a := range soakActions {
		t.Logf("%d %s", s.done[i].Load(), a.name)
	}
}

// act does a random action to a random service.
func (s *soak) act() {
	sum := 0
	for _, a := range soakActions {
		sum += a.weight
	}
	n := rand.IntN(sum)
	for i, a := range soakActions {
		if n -= a.weight; n < 0 {
			a.do(s, s.services[rand.IntN(len(s.services))])
			s.done[i].Add(1)
			return
		}
	}
}

// request returns the reply, which must be well-formed.
func (s *soak) request(kind, name string) (reply struct {
	OK       *bool
	Error    string
	Port     int
	Services []Details
}) {
	answer, err := ask(s.Addr, fmt.Sprintf(`{"request":%q,"name":%q,"verbose":true}`+"\n", kind, name))
	if err == nil {
		dec := json.NewDecoder(bytes.NewReader([]byte(answer)))
		dec.DisallowUnknownFields()
		err = dec.Decode(&reply)
	}
	if err != nil || reply.OK == nil || *reply.OK == (reply.Error != "") ||
		strings.Count(answer, "\n") != 1 || !strings.HasSuffix(answer, "\n") {
		s.t.Errorf("%s %s: %q, %v", kind, name, answer, err)
		reply.OK = new(bool)
	}
	return reply
}

// start expects a service that runs. A start that fails leaves a failed service.
func (s *soak) start(v *soakedService) {
	v.mu.Lock()
	defer v.mu.Unlock()
	reply := s.request("start-service", v.name)
	v.want = mustBeUp
	switch {
	case *reply.OK && reply.Port != v.port:
		s.t.Errorf("the start of %s: port %d, not %d", v.name, reply.Port, v.port)
	case !*reply.OK && !strings.Contains(reply.Error, "marked as failed"):
		v.want = mustBeFailed
	}
}

func (s *soak) stop(v *soakedService) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if reply := s.request("stop-service", v.name); !*reply.OK {
		s.t.Errorf("the stop of %s: %s", v.name, reply.Error)
	}
	v.want = mustBeDown
}

// both starts and stops a service at once.
func (s *soak) both(v *soakedService) {
	v.mu.Lock()
	defer v.mu.Unlock()
	together(2, func(i int) {
		kind := []string{"start-service", "stop-service"}[i]
		if reply := s.request(kind, v.name); i == 1 && !*reply.OK {
			s.t.Errorf("the stop of %s: %s", v.name, reply.Error)
		}
	})
	v.want = mayBeBoth
}

// kill kills the process of a service, if it has one.
func (s *soak) kill(v *soakedService) {
	if pid := s.Home.Last(v.name, "start"); pid > 0 && s.Home.owns(pid) {
		syscall.Kill(pid, syscall.SIGKILL)
	}
}

// hang makes a service hang for a while, which may be too short to be noticed.
func (s *soak) hang(v *soakedService) {
	v.behaving.Lock()
	defer v.behaving.Unlock()
	s.Home.Behave(v.name, Behaviour{Hang: true})
	time.Sleep(time.Duration(rand.IntN(4000)) * time.Millisecond)
	s.Home.Behave(v.name, Behaviour{})
}

// list returns the status, which must list services of this home, in order and in a known state.
func (s *soak) list() []Details {
	list := s.request("status", "").Services
	for i, e := range list {
		known := slices.ContainsFunc(s.services, func(v *soakedService) bool { return v.name == e.Name && v.port == e.Port })
		if !known || !slices.Contains([]string{"starting", "running", "failed"}, e.Status) || i > 0 && list[i-1].Name >= e.Name {
			s.t.Errorf("entry %d of status: %+v", i, e)
		}
	}
	return list
}

// settle waits until each service is what it must be.
func (s *soak) settle() {
	s.t.Helper()
	var wrong []string
	for end := time.Now().Add(limit); ; time.Sleep(50 * time.Millisecond) {
		wrong = nil
		list := s.list()
		for _, v := range s.services {
			i := slices.IndexFunc(list, func(e Details) bool { return e.Name == v.name })
			now := Details{}
			if i >= 0 {
				now = list[i]
			}
			if !v.allows(now) {
				wrong = append(wrong, fmt.Sprintf("%s after request %d: %+v", v.name, v.want, now))
			}
		}
		if len(wrong) == 0 {
			return
		}
		if time.Now().After(end) {
			s.t.Errorf("in the end:\n%s", strings.Join(wrong, "\n"))
			return
		}
	}
}

func (v *soakedService) allows(now Details) bool {
	switch now.Status {
	case "running":
		return v.want == mustBeUp || v.want == mayBeBoth
	case "failed":
		return v.want == mustBeFailed || v.want != mustBeDown && now.Failures == 5 || v.want == mayBeBoth && now.LastError != ""
	}
	return now.Status == "" && (v.want == mustBeDown || v.want == mayBeBoth)
}

// checkRest stops everything, and checks that nothing remains.
func (s *soak) checkRest(descriptorsAtRest int) {
	t := s.t
	t.Helper()
	together(len(s.services), func(i int) { s.stop(s.services[i]) })
	want(t, "the last status", s.Status(), `{"ok":true,"services":[]}`+"\n")
	if list := children(s.Pid()); len(list) > 0 {
		t.Errorf("the daemon has children: %+v", list)
	}
	if pids := s.Home.Processes(); len(pids) > 0 {
		t.Errorf("processes of services: %v", pids)
	}
	eventually(t, "descriptors as at rest", func() bool { return descriptors(t, s.Pid()) <= descriptorsAtRest })
}
