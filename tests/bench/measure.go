package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"ringo.dev/ringo/tests/harness"
	"ringo.dev/ringo/tests/load"
)

// The network between client and server.
const (
	tapName  = "tap0"
	hostNet  = "10.0.0.1/24"
	hostAddr = "10.0.0.1"
	guestNet = "10.0.0.2/24"
	guest    = "10.0.0.2"
	relayNet = "10.0.0.3/24"
	behind   = "10.0.0.3"
	page     = "hello from ringo\n"
)

// subject is a way to run the server.
type subject struct {
	name  string
	addr  string
	start func(ctx context.Context, cpus ...int) (g *harness.Guest, since time.Time, err error)
	pids  func(g *harness.Guest) []int // whose memory counts
}

// figures are what is measured, by row of the table and subject.
type figures map[string]map[string][]float64

func (f figures) add(row string, s *subject, value float64) {
	if f[row] == nil {
		f[row] = map[string][]float64{}
	}
	f[row][s.name] = append(f[row][s.name], value)
}

// median returns the middle one of some values.
func median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	return slices.Sorted(slices.Values(values))[len(values)/2]
}

// measureAll measures every subject some times, in turn, and prints the table. web
// is the web server; files may be put into dir.
func measureAll(ctx context.Context, r *harness.Ringo, web, dir string, o *options) error {
	pipe, err := r.Program("tests/programs/pipe")
	if err != nil {
		return err
	}
	processSize, imageSize, err := imageSizes(ctx, r, dir)
	if err != nil {
		return err
	}

	subjects := []*subject{
		{vmName, guest, func(ctx context.Context, cpus ...int) (*harness.Guest, time.Time, error) {
			return startPinned(r.Command(ctx, "run", "-m", o.memory.String(), "--net", "tap:"+tapName, "--ip", guestNet, web), cpus)
		}, func(g *harness.Guest) []int { return []int{g.Process().Pid} }},
		{tapProcess, behind, func(ctx context.Context, cpus ...int) (*harness.Guest, time.Time, error) {
			return startRelay(ctx, r, web, cpus)
		}, func(g *harness.Guest) []int { return children(g.Process().Pid) }},
		{loopbackProcess, hostAddr, func(ctx context.Context, cpus ...int) (*harness.Guest, time.Time, error) {
			return startPinned(exec.CommandContext(ctx, web), cpus)
		}, func(g *harness.Guest) []int { return []int{g.Process().Pid} }},
	}
	all := figures{}
	for i := range o.runs {
		for _, s := range subjects {
			g, err := measureStart(ctx, s, rowFirst, all, clientCPU, serverCPU)
			if err == nil {
				g.Stop()
				err = measure(ctx, s, rowPinned, o, all)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
		}
		for _, s := range []struct {
			*subject
			args []string
		}{{subjects[0], []string{"--net", "none"}}, {subjects[1], []string{"--vmm", "process"}}} {
			var got harness.Result
			err := pinned(func() (err error) {
				got, err = r.Run(ctx, append(s.args, pipe)...)
				return err
			}, serverCPU)
			if err != nil {
				return err
			}
			ns, err := strconv.ParseFloat(strings.TrimSpace(got.Output), 64)
			if err != nil {
				return fmt.Errorf("pipe: %w", err)
			}
			all.add(rowPipe, s.subject, ns/1000)
		}
		fmt.Fprintf(os.Stderr, "run %d of %d\n", i+1, o.runs)
	}
	printTable(os.Stdout, all, processSize, imageSize, o)
	return nil
}

// makeTap makes the tap between client and server.
func makeTap() error {
	if err := harness.MakeTap(tapName, netip.MustParsePrefix(hostNet)); err != nil {
		return err
	}
	// Or else a question for the guest's address that comes before the guest
	// does is asked again only a second later.
	os.WriteFile("/proc/sys/net/ipv4/neigh/"+tapName+"/retrans_time_ms", []byte("1"), 0)
	os.WriteFile("/proc/sys/net/ipv4/neigh/"+tapName+"/mcast_solicit", []byte("1000"), 0)
	return nil
}

// startPinned starts a server on some CPUs.
func startPinned(cmd *exec.Cmd, cpus []int) (g *harness.Guest, since time.Time, err error) {
	since = time.Now()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	err = pinned(func() (err error) {
		g, err = harness.StartGuest(cmd)
		return err
	}, cpus...)
	return g, since, err
}

// startRelay starts the relay, which starts the server behind it. It is since then
// that the server's time counts.
func startRelay(ctx context.Context, r *harness.Ringo, web string, cpus []int) (g *harness.Guest, since time.Time, err error) {
	tap, err := openTap(tapName)
	if err != nil {
		return nil, since, err
	}
	defer tap.Close()
	cmd := r.Isolate(ctx, "-relay", web)
	cmd.ExtraFiles = []*os.File{tap}
	err = pinned(func() (err error) {
		g, err = harness.StartGuest(cmd)
		return err
	}, cpus...)
	if err != nil {
		return nil, since, err
	}
	defer func() {
		if err != nil {
			g.Stop()
		}
	}()
	if err := g.Await(ctx, "\n"); err != nil {
		return nil, since, err
	}
	now, err := monotonic()
	if err != nil {
		return nil, since, err
	}
	var started int64
	if _, err := fmt.Sscanf(g.Output(), relayReady, &started); err != nil {
		return nil, since, fmt.Errorf("the relay's first line: %w\n%s", err, g.Output())
	}
	return g, time.Now().Add(-time.Duration(now - started)), nil
}

// measureStart starts a server on some CPUs and measures, for that row, how long it
// takes to answer.
func measureStart(ctx context.Context, s *subject, row string, all figures, cpus ...int) (*harness.Guest, error) {
	g, since, err := s.start(ctx, cpus...)
	if err != nil {
		return nil, err
	}
	if err := firstAnswer(s.addr + ":8080"); err != nil {
		g.Stop()
		return nil, fmt.Errorf("%w\n%s", err, g.Output())
	}
	all.add(row, s, ms(time.Since(since)))
	return g, nil
}

// measure starts a server on its CPU, measures it, and ends it. What its start took
// goes into that row.
func measure(ctx context.Context, s *subject, row string, o *options, all figures) error {
	g, err := measureStart(ctx, s, row, all, serverCPU)
	if err != nil {
		return err
	}
	defer g.Stop()
	idle, err := memory(s.pids(g))
	if err != nil {
		return err
	}
	all.add(rowIdle, s, idle)
	if o.duration == 0 {
		return nil
	}
	for _, l := range []struct {
		median, tail, rate string
		clients            int
		client             func() load.Client
	}{
		{rowNew, rowNew99, "", 1, httpClient(s, false)},
		{rowKeep, rowKeep99, "", 1, httpClient(s, true)},
		{"", "", rowRate, 16, httpClient(s, true)},
		{rowUDP, rowUDP99, "", 1, udpClient(s)},
	} {
		result := load.Run(ctx, load.Plan{Clients: l.clients, Duration: o.duration}, l.client)
		if result.Failed > 0 {
			return fmt.Errorf("%v", &result)
		}
		if l.rate != "" {
			all.add(l.rate, s, result.Rate())
			continue
		}
		all.add(l.median, s, us(result.Quantile(.5)))
		all.add(l.tail, s, us(result.Quantile(.99)))
	}
	loaded, err := memory(s.pids(g))
	if err != nil {
		return err
	}
	all.add(rowLoaded, s, loaded)
	return nil
}

func ms(d time.Duration) float64 { return d.Seconds() * 1e3 }
func us(d time.Duration) float64 { return d.Seconds() * 1e6 }

func httpClient(s *subject, keepAlive bool) func() load.Client {
	return func() load.Client {
		return &load.HTTP{Addr: s.addr + ":8080", Path: "/", Want: page, KeepAlive: keepAlive}
	}
}

func udpClient(s *subject) func() load.Client {
	return func() load.Client {
		c, err := net.Dial("udp", s.addr+":9000")
		if err != nil {
			panic(err) // UDP sockets do not ask anybody
		}
		return &load.UDP{Conn: c, Size: 64}
	}
}

// firstAnswer waits for a server to answer a first request, over the first connection
// that comes about. A server that starts pays for attempts to connect that it refuses: so
// there are few, each a while after the one before was refused, by which what is
// measured is too long by a fiftieth at most. An attempt that nobody has answered yet
// is mostly in the queue of the tap, from which the machine takes it when its card is
// up; another one is made beside it, as it is lost if it came before the machine had
// the tap, and Linux repeats it only after 1 s.
func firstAnswer(addr string) error {
	const patience, least, refused = 20 * time.Second, time.Millisecond, 200 * time.Microsecond
	start := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	type result struct {
		conn net.Conn
		err  error
	}
	results := make(chan result)
	connect := func() {
		var d net.Dialer
		conn, err := d.DialContext(ctx, "tcp", addr)
		select {
		case results <- result{conn, err}:
		case <-ctx.Done():
			if err == nil {
				conn.Close()
			}
		}
	}
	var last error
	for ctx.Err() == nil {
		go connect()
		select {
		case r := <-results:
			if r.err == nil {
				client := &load.HTTP{Addr: addr, Path: "/", Want: page}
				client.Use(r.conn)
				return client.Do()
			}
			last = r.err
			time.Sleep(max(refused, time.Since(start)/50))
		case <-time.After(max(least, time.Since(start)/2)):
		}
	}
	return fmt.Errorf("no answer from %s: %w", addr, last)
}

// children returns the processes that a process has started.
func children(pid int) []int {
	b, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	var pids []int
	for _, f := range strings.Fields(string(b)) {
		if n, err := strconv.Atoi(f); err == nil {
			pids = append(pids, n)
		}
	}
	return pids
}

// memory returns the memory, in MB, that processes hold.
func memory(pids []int) (float64, error) {
	total := 0.0
	for _, pid := range pids {
		n, err := harness.Memory(pid)
		if err != nil {
			return 0, err
		}
		total += float64(n) / (1 << 20)
	}
	return total, nil
}
