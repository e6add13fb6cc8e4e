package tests

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"ringo.dev/ringo/tests/harness"
	"ringo.dev/ringo/tests/load"
	"ringo.dev/ringo/vmm"
	"ringo.dev/ringo/vmm/device"
	vmmnet "ringo.dev/ringo/vmm/net"
	"ringo.dev/ringo/vmm/virtio"
)

// The tap that these tests make, each in a network of its own.
const (
	tapName  = "tap0"
	hostOnIt = "10.0.0.1/24"
	vmOnIt   = "10.0.0.2/24"
	vmAddr   = "10.0.0.2"
)

// onTap runs the test again in a network of its own, which has a tap. There it
// returns true.
func onTap(t *testing.T) bool {
	t.Helper()
	needKVM(t)
	if _, yes := harness.Isolated(); yes {
		if err := harness.MakeTap(tapName, netip.MustParsePrefix(hostOnIt)); err != nil {
			t.Fatal(err)
		}
		return true
	}
	ctx := limit(t, 20*time.Minute)
	cmd := ringo.Isolate(ctx, "-test.run=^"+t.Name()+"$", "-test.v=true", "-full="+strconv.FormatBool(*full))
	out, err := cmd.CombinedOutput()
	t.Logf("in a network of its own:\n%s", out)
	if err != nil {
		t.Error(err)
	}
	return false
}

// tapFlags are the flags of ringo run for it.
var tapFlags = []string{"--net", "tap:" + tapName, "--ip", vmOnIt}

// serveOnTap starts a program of this module that serves on the tap.
func serveOnTap(t *testing.T, pkg string, args ...string) *server {
	t.Helper()
	s := &server{http: vmAddr + ":8080", udp: vmAddr + ":9000"}
	s.start(t, append(append(append([]string{}, tapFlags...), args...), program(t, pkg))...)
	return s
}

func TestTap(t *testing.T) {
	if !onTap(t) {
		return
	}
	s := serveOnTap(t, "examples/web")
	for _, size := range []int{0, 56, 1400, 4000, 16000} {
		for range 10 {
			if err := harness.Ping(vmAddr, size, 5*time.Second); err != nil {
				t.Fatal(err)
			}
		}
	}
	checkPages(t, s)
	checkEcho(t, s.udp)
	if out, err := exec.Command("ping", "-c", "3", "-W", "5", vmAddr).CombinedOutput(); err != nil {
		t.Errorf("ping: %v\n%s", err, out)
	}
	s.Stop()
	serveOnTap(t, "examples/web") // the tap is free again
}

func TestTapLoad(t *testing.T) {
	if onTap(t) {
		checkLoad(t, serveOnTap(t, "examples/web"))
	}
}

// transfer sends n bytes to programs/transfer and gets n from it, and wants
// all of them to arrive.
func (s *server) transfer(ctx context.Context, n int64) error {
	hash := sha256.New()
	if _, err := io.Copy(hash, load.Bytes(n)); err != nil {
		return err
	}
	sum := hash.Sum(nil)

	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // the next server has the same address
	start := time.Now()
	request := func(method, path string, body io.Reader) (io.ReadCloser, error) {
		r, err := http.NewRequestWithContext(ctx, method, "http://"+s.http+path, body)
		if err != nil {
			return nil, err
		}
		r.ContentLength = n
		if body == nil {
			r.ContentLength = 0
		}
		resp, err := client.Do(r)
		if err != nil {
			return nil, err
		}
		if resp.StatusCode != http.StatusOK {
			resp.Body.Close()
			return nil, fmt.Errorf("%s: %s", path, resp.Status)
		}
		return resp.Body, nil
	}
	answer, err := request("POST", "/sum", load.Bytes(n))
	if err != nil {
		return fmt.Errorf("upload: %w", err)
	}
	defer answer.Close()
	text, err := io.ReadAll(answer)
	if err != nil {
		return fmt.Errorf("upload: %w", err)
	}
	if want := fmt.Sprintf("%x", sum); string(text) != want {
		return fmt.Errorf("the sum of the upload is %s, want %s", text, want)
	}
	middle := time.Now()
	answer, err = request("GET", "/bytes?n="+strconv.FormatInt(n, 10), nil)
	if err != nil {
		return fmt.Errorf("download: %w", err)
	}
	defer answer.Close()
	hash.Reset()
	got, err := io.Copy(hash, answer)
	if err != nil {
		return fmt.Errorf("download: %w", err)
	}
	if got != n || !bytes.Equal(hash.Sum(nil), sum) {
		return fmt.Errorf("the download is %d bytes with the sum %x, want %d with %x", got, hash.Sum(nil), n, sum)
	}
	fmt.Printf("%d MB in %v up, %v down\n", n>>20, middle.Sub(start).Round(time.Millisecond), time.Since(middle).Round(time.Millisecond))
	return nil
}

// TestTapTransfer sends a gigabyte in each direction.
func TestTapTransfer(t *testing.T) {
	if !onTap(t) {
		return
	}
	for _, w := range []way{oneCPU, twoCPUs} {
		t.Run(w.name, func(t *testing.T) {
			s := serveOnTap(t, "tests/programs/transfer", w.args...)
			defer s.Stop()
			if err := s.transfer(limit(t, 10*time.Minute), int64(sized(1<<30, 128<<20))); err != nil {
				t.Error(err)
			}
		})
	}
}

// output keeps what a guest in this process prints.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// boot boots a program in this process, on the tap behind a link with faults.
func boot(t *testing.T, pkg string, f vmmnet.Faults) {
	t.Helper()
	tap, err := vmmnet.OpenTap(tapName)
	if err != nil {
		t.Fatal(err)
	}
	card := virtio.NewNet(vmmnet.WithFaults(tap, f), [6]byte{2, 0, 0, 0, 0, 1})
	console := &output{}
	vm, err := vmm.New(vmm.Config{
		Image:    program(t, pkg),
		Args:     []string{pkg},
		Memory:   64 << 20,
		CPUs:     1,
		Settings: map[string]string{"net.ip": vmOnIt},
		Devices:  []device.Device{virtio.NewRNG(), card},
		Console:  console,
	})
	if err != nil {
		tap.Close()
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		vm.Run(ctx)
	}()
	t.Cleanup(func() {
		stop()
		<-ended
		vm.Close()
		tap.Close()
		if t.Failed() {
			t.Logf("the guest's output:\n%s", shorten(console.String()))
		}
	})
	for !strings.Contains(console.String(), "serving on") {
		select {
		case <-ended:
			t.Fatalf("the guest ended:\n%s", console)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// TestTapFaults loses and reorders packets: that may slow things down, but not
// break them.
func TestTapFaults(t *testing.T) {
	if !onTap(t) {
		return
	}
	const loss = 0.05
	for name, f := range map[string]vmmnet.Faults{
		"loss":       {Drop: loss},
		"reordering": {Reorder: loss, ReorderBy: 5 * time.Millisecond},
		"everything": {Drop: loss, Reorder: loss, ReorderBy: 5 * time.Millisecond, Duplicate: loss, Corrupt: 0.01},
	} {
		f.Seed = 1
		t.Run(name, func(t *testing.T) {
			boot(t, "tests/programs/transfer", f)
			s := &server{http: vmAddr + ":8080"}
			if err := s.transfer(limit(t, 5*time.Minute), int64(sized(32<<20, 1<<20))); err != nil {
				t.Error(err)
			}
		})
		t.Run(name+"/requests", func(t *testing.T) {
			boot(t, "examples/web", f)
			s := &server{http: vmAddr + ":8080"}
			s.load(t, load.Plan{Clients: 20, Requests: sized(10_000, 300)}, false)
			s.load(t, load.Plan{Clients: 20, Requests: sized(10_000, 300)}, true)
		})
	}
}
