// Command profile records the profile with which the standard library of guests is
// compiled (rt/overlay/profile.go):
//
//	go run ./tests/profile [-duration D] [-o rt/network.pgo]
//
// A web server on an emulated processor of QEMU's answers requests and datagrams
// meanwhile: there a call is dear, and so it is on a small machine. To that come the
// calls of a start, from a log of QEMU's.
//
// main.go records the load, start.go adds the start, calls.go reads QEMU's log, and
// symbols.go says which functions addresses are in.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"os"
	"time"

	"ringo.dev/ringo/tests/harness"
	"ringo.dev/ringo/tests/load"
)

// Both ends of the tap, and the server's addresses.
const (
	tapName  = "tap0"
	hostNet  = "10.0.0.1/24"
	guestNet = "10.0.0.2/24"
	web      = "10.0.0.2:8080"
	echo     = "10.0.0.2:9000"
)

// server is the web server, a package of this module.
const server = "tests/programs/profiled"

func main() {
	log.SetFlags(0)
	log.SetPrefix("profile: ")
	output := flag.String("o", "rt/network.pgo", "write the profile to this `file`")
	duration := flag.Duration("duration", 30*time.Second, "of each of four loads; 0: keep what the file has of them")
	flag.Parse()
	if err := run(*output, *duration); err != nil {
		log.Fatal(err)
	}
}

func run(output string, duration time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), 4*duration+20*time.Minute)
	defer cancel()
	if dir, yes := harness.Isolated(); yes {
		r := harness.At(dir)
		if err := harness.MakeTap(tapName, netip.MustParsePrefix(hostNet)); err != nil {
			return err
		}
		if duration > 0 {
			if err := record(ctx, r, output, duration); err != nil {
				return err
			}
		}
		return addStarts(ctx, r, dir, output)
	}
	dir, err := os.MkdirTemp("", "ringo-profile-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	r, err := harness.Build(ctx, dir)
	if err != nil {
		return err
	}
	inside := r.Isolate(ctx, os.Args[1:]...)
	inside.Stdout, inside.Stderr = os.Stdout, os.Stderr
	return inside.Run()
}

// record records the profile of a server under load.
func record(ctx context.Context, r *harness.Ringo, output string, duration time.Duration) error {
	program, err := r.Program(server)
	if err != nil {
		return err
	}
	g, err := r.Start(ctx, "--vmm", "qemu", "--machine", "microvm", "--accel", "tcg", "-m", "128M",
		"--net", "tap:"+tapName, "--ip", guestNet, program)
	if err != nil {
		return err
	}
	defer g.Stop()
	loads := []struct {
		clients int
		dial    func() load.Client
	}{
		{1, browser(false)},
		{1, browser(true)},
		{16, browser(true)},
		{1, datagrams},
	}
	if err := awaitAnswer(ctx, g); err != nil {
		return err
	}
	type result struct {
		profile []byte
		err     error
	}
	got := make(chan result, 1)
	go func() {
		profile, err := fetch(ctx, len(loads)*int(duration.Seconds()))
		got <- result{profile, err}
	}()
	for _, l := range loads {
		result := load.Run(ctx, load.Plan{Clients: l.clients, Duration: duration}, l.dial)
		fmt.Println(&result)
		if result.Failed > 0 {
			return result.Err
		}
	}
	profile := <-got
	if profile.err != nil {
		return profile.err
	}
	return os.WriteFile(output, profile.profile, 0o644)
}

// awaitAnswer waits for a server's first answer, and leaves the connection open.
func awaitAnswer(ctx context.Context, g *harness.Guest) error {
	client := http.Client{Timeout: time.Second}
	for {
		resp, err := client.Get("http://" + web)
		if err == nil {
			resp.Body.Close()
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("no answer from the server: %w\n%s", err, g.Output())
		case <-g.Done():
			return fmt.Errorf("the server has ended\n%s", g.Output())
		case <-time.After(10 * time.Millisecond):
		}
	}
}

func browser(keepAlive bool) func() load.Client {
	return func() load.Client {
		return &load.HTTP{Addr: web, Path: "/", Want: "hello\n", KeepAlive: keepAlive}
	}
}

func datagrams() load.Client {
	conn, err := net.Dial("udp", echo)
	if err != nil {
		panic(err) // UDP sockets do not ask anybody
	}
	return &load.UDP{Conn: conn, Size: 64}
}

// fetch returns the profile of so many seconds from now on.
func fetch(ctx context.Context, seconds int) ([]byte, error) {
	url := fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", web, seconds)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s: %s", url, resp.Status, body)
	}
	return body, err
}
