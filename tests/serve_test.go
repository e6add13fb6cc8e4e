package tests

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"ringo.dev/ringo/tests/harness"
	"ringo.dev/ringo/tests/load"
)

// full asks for the loads and transfers in their whole size, which take minutes.
var full = flag.Bool("full", false, "make loads and transfers in full size")

// sized returns the size of a load: all of it if the flag asks for that.
func sized(all, usual int) int {
	if *full {
		return all
	}
	return usual
}

const page = "hello from ringo\n"

// server is examples/web, running.
type server struct {
	*harness.Guest
	http string // addresses
	udp  string
}

// serve starts examples/web, reachable by ports of the loopback, with more
// arguments for ringo run.
func serve(t *testing.T, args ...string) *server {
	t.Helper()
	needKVM(t)
	s := &server{}
	var ports [2]string
	for i := range ports {
		port, err := harness.FreePort()
		if err != nil {
			t.Fatal(err)
		}
		ports[i] = port
	}
	s.http, s.udp = "127.0.0.1:"+ports[0], "127.0.0.1:"+ports[1]
	args = append([]string{"-p", s.http + ":8080", "-p", s.udp + ":9000/udp"}, args...)
	s.start(t, append(args, program(t, "examples/web"))...)
	return s
}

// start starts ringo run and waits until the server serves.
func (s *server) start(t *testing.T, args ...string) {
	t.Helper()
	g, err := ringo.Start(context.Background(), args...)
	if err != nil {
		t.Fatal(err)
	}
	s.Guest = g
	t.Cleanup(func() {
		g.Stop()
		if t.Failed() {
			t.Logf("the server's output:\n%s", shorten(g.Output()))
		}
	})
	if err := g.Await(limit(t, 30*time.Second), "serving on"); err != nil {
		t.Fatal(err)
	}
}

// shorten leaves out the middle of a long text.
func shorten(text string) string {
	const most = 4000
	if len(text) <= most {
		return text
	}
	return text[:most/2] + "\n…\n" + text[len(text)-most/2:]
}

// get fetches a page.
func (s *server) get(path string) (status int, body string, err error) {
	client := http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + s.http + path)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}

// memory is harness.Memory of the VMM.
func (s *server) memory(t *testing.T) int64 {
	t.Helper()
	n, err := harness.Memory(s.Process().Pid)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// load makes load and wants no request to fail.
func (s *server) load(t *testing.T, p load.Plan, keepAlive bool) {
	t.Helper()
	r := load.Run(limit(t, 10*time.Minute), p, func() load.Client {
		return &load.HTTP{Addr: s.http, Path: "/", Want: page, KeepAlive: keepAlive}
	})
	t.Logf("keep-alive %v: %v", keepAlive, &r)
	if r.Failed > 0 || p.Requests > 0 && len(r.Latencies) != p.Requests {
		t.Errorf("%d clients: %v", p.Clients, &r)
	}
}

// checkPages wants every page of examples/web to answer as it should.
func checkPages(t *testing.T, s *server) {
	for _, c := range []struct{ path, want string }{
		{"/", `^hello from ringo\n$`},
		{"/alloc", `^allocated 1048576 bytes\n$`},
		{"/cpu", `^read the clock \d+ times\n$`},
	} {
		status, body, err := s.get(c.path)
		if err != nil || status != http.StatusOK || !regexp.MustCompile(c.want).MatchString(body) {
			t.Errorf("%s: status %d, %q, %v", c.path, status, body, err)
		}
	}
	for path, want := range map[string]string{
		"/panic": "http: panic serving .*: as requested",
		"/nil":   "http: panic serving .*: runtime error: invalid memory address or nil pointer dereference",
	} {
		if status, body, err := s.get(path); err == nil {
			t.Errorf("%s: status %d, %q, want the connection to end", path, status, body)
		}
		time.Sleep(50 * time.Millisecond) // its output comes by another way than its answers
		if !regexp.MustCompile(want).MatchString(s.Output()) {
			t.Errorf("%s: no %q on the console", path, want)
		}
	}
	if status, _, err := s.get("/missing"); err != nil || status != http.StatusNotFound {
		t.Errorf("/missing: status %d, %v", status, err)
	}
	if status, _, err := s.get("/"); err != nil || status != http.StatusOK {
		t.Errorf("/ at the end: status %d, %v", status, err)
	}
}

// checkEcho wants datagrams to come back.
func checkEcho(t *testing.T, addr string) {
	for _, size := range []int{10, 100, 1400} {
		c, err := net.Dial("udp", addr)
		if err != nil {
			t.Fatal(err)
		}
		r := load.Run(t.Context(), load.Plan{Clients: 1, Requests: 50}, func() load.Client {
			return &load.UDP{Conn: c, Size: size}
		})
		if r.Failed > 0 {
			t.Errorf("UDP echo of %d bytes: %v", size, &r)
		}
	}
}

func TestWeb(t *testing.T) {
	for _, w := range []way{oneCPU, twoCPUs} {
		t.Run(w.name, func(t *testing.T) {
			s := serve(t, w.args...)
			checkPages(t, s)
			checkEcho(t, s.udp)
		})
	}
}

// TestWebProcess serves from the same file, run as an ordinary process.
func TestWebProcess(t *testing.T) {
	s := &server{}
	var ports [2]string
	for i := range ports {
		port, err := harness.FreePort()
		if err != nil {
			t.Fatal(err)
		}
		ports[i] = port
	}
	s.http, s.udp = "127.0.0.1:"+ports[0], "127.0.0.1:"+ports[1]
	g, err := harness.StartGuest(exec.Command(program(t, "examples/web"), "-http", s.http, "-udp", s.udp))
	if err != nil {
		t.Fatal(err)
	}
	defer g.Stop()
	s.Guest = g
	if err := g.Await(limit(t, 10*time.Second), "serving on"); err != nil {
		t.Fatal(err)
	}
	checkPages(t, s)
	checkEcho(t, s.udp)
}

// TestExit ends the program by a request, and wants its status and its port to be gone.
func TestExit(t *testing.T) {
	s := serve(t)
	if _, _, err := s.get("/exit?code=9"); err == nil {
		t.Error("/exit answered")
	}
	got, err := s.Wait(limit(t, 10*time.Second))
	if err != nil || got.Status != 9 {
		t.Errorf("status %d, %v", got.Status, err)
	}
	if c, err := net.Dial("tcp", s.http); err == nil {
		c.Close()
		t.Error("the port still answers")
	}
}

// TestShutdown asks the program to end, as a terminal and as a supervisor does.
func TestShutdown(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(sig.String(), func(t *testing.T) {
			s := serve(t)
			// Two requests at once: when the first is answered, the program has the
			// second, and is busy with it for 50 ms.
			c, err := net.Dial("tcp", s.http)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			c.SetDeadline(time.Now().Add(30 * time.Second))
			if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: vm\r\n\r\nGET /cpu HTTP/1.1\r\nHost: vm\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			answers := bufio.NewReader(c)
			if _, err := body(answers); err != nil {
				t.Fatal(err)
			}
			time.Sleep(10 * time.Millisecond)
			if err := s.Process().Signal(sig); err != nil {
				t.Fatal(err)
			}
			got, err := s.Wait(limit(t, 15*time.Second))
			if err != nil || got.Status != 0 {
				t.Errorf("status %d, %v, want 0", got.Status, err)
			}
			if last, err := body(answers); err != nil || !strings.Contains(last, "clock") {
				t.Errorf("the last request: answer %q, %v", last, err)
			}
		})
	}
}

// body reads an answer and returns its body.
func body(r *bufio.Reader) (string, error) {
	answer, err := http.ReadResponse(r, nil)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	return string(b), err
}

// TestSecondSignal ends a program that takes its time to end.
func TestSecondSignal(t *testing.T) {
	s := serve(t)
	// http.Server.Shutdown waits 5 s for a connection without a request.
	c, err := net.Dial("tcp", s.http)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if status, _, err := s.get("/"); err != nil || status != http.StatusOK {
		t.Fatalf("status %d, %v", status, err)
	}
	start := time.Now()
	if err := s.Process().Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case <-s.Done():
		t.Fatal("the program did not wait for the connection")
	case <-time.After(500 * time.Millisecond):
	}
	if err := s.Process().Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	got, err := s.Wait(limit(t, 10*time.Second))
	if took := time.Since(start); err != nil || got.Status == 0 || took > 3*time.Second {
		t.Errorf("status %d, %v, after %v", got.Status, err, took)
	}
}

// checkLoad makes the loads that a server has to stand, and wants its memory to
// stay level.
func checkLoad(t *testing.T, s *server) {
	connections, requests := sized(10_000, 2000), sized(100_000, 10_000)
	s.load(t, load.Plan{Clients: 1, Requests: connections}, false)
	s.load(t, load.Plan{Clients: 100, Requests: requests}, false)
	s.load(t, load.Plan{Clients: 100, Requests: requests}, true)
	before := s.memory(t)
	s.load(t, load.Plan{Clients: 1, Requests: connections}, false)
	s.load(t, load.Plan{Clients: 100, Requests: requests}, false)
	s.load(t, load.Plan{Clients: 100, Requests: requests}, true)
	after := s.memory(t)
	t.Logf("memory: %d kB after the first half, %d kB after the second", before>>10, after>>10)
	if after > before+8<<20 {
		t.Errorf("memory grew from %d kB to %d kB", before>>10, after>>10)
	}
	checkPages(t, s)
}

func TestLoad(t *testing.T) {
	for _, w := range []way{oneCPU, twoCPUs} {
		t.Run(w.name, func(t *testing.T) { checkLoad(t, serve(t, w.args...)) })
	}
}

// TestLoadTools makes load with the tools that people use for it.
func TestLoadTools(t *testing.T) {
	s := serve(t, "-m", "32M")
	url := "http://" + s.http + "/"
	for _, c := range []struct {
		args []string
		good []string // patterns that must match
		bad  []string // and that must not
	}{
		{[]string{"ab", "-q", "-n", strconv.Itoa(sized(100_000, 10_000)), "-c", "100", url},
			[]string{`Failed requests:\s+0\n`}, []string{`Non-2xx`}},
		{[]string{"wrk", "-t1", "-c64", fmt.Sprintf("-d%ds", sized(30, 5)), url},
			[]string{`Requests/sec`}, []string{`Socket errors`, `Non-2xx`}},
		{[]string{"curl", "-sS", "--fail", "--max-time", "10", url}, []string{page}, nil},
	} {
		t.Run(c.args[0], func(t *testing.T) {
			if _, err := exec.LookPath(c.args[0]); err != nil {
				t.Skip(err)
			}
			out, err := exec.CommandContext(limit(t, 5*time.Minute), c.args[0], c.args[1:]...).CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			for _, pattern := range c.good {
				if !regexp.MustCompile(pattern).Match(out) {
					t.Errorf("no %q in:\n%s", pattern, out)
				}
			}
			for _, pattern := range c.bad {
				if regexp.MustCompile(pattern).Match(out) {
					t.Errorf("%q in:\n%s", pattern, out)
				}
			}
			if line := regexp.MustCompile(`Requests.per.sec.*|Requests/sec.*`).Find(out); line != nil {
				t.Logf("%s", line)
			}
		})
	}
}
