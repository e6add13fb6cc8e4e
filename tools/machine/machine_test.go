package machine

import (
	"fmt"
	"maps"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"ringo.dev/ringo/vmm/net/gateway"
)

func TestSize(t *testing.T) {
	for text, want := range map[string]Size{
		"64M": 64 << 20, "64m": 64 << 20, "64MiB": 64 << 20, "64MB": 64 << 20, "64": 64 << 20,
		"1G": 1 << 30, "2048K": 2 << 20, "1M": 1 << 20, "2T": 2 << 40,
	} {
		var s Size
		if err := s.Set(text); err != nil || s != want {
			t.Errorf("%s: %d, %v; want %d", text, s, err, want)
		}
		var again Size
		if err := again.Set(s.String()); err != nil || again != s {
			t.Errorf("%s: %s: %d, %v", text, s, again, err)
		}
	}
	for _, text := range []string{"", "M", "-1M", "0", "1P", "64MM", "1.5G", "9999999999G", "0x10M"} {
		var s Size
		if err := s.Set(text); err == nil {
			t.Errorf("%q is %d", text, s)
		}
	}
}

func TestStatic(t *testing.T) {
	s := Static{
		Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.0.2/24"), netip.MustParsePrefix("fd00::2/64")},
		Gateway:   netip.MustParseAddr("10.0.0.1"),
		DNS:       []netip.Addr{netip.MustParseAddr("9.9.9.9"), netip.MustParseAddr("2620:fe::fe")},
	}
	got, err := s.settings()
	want := map[string]string{"net.ip": "10.0.0.2/24", "net.ip6": "fd00::2/64", "net.gateway": "10.0.0.1", "net.dns": "9.9.9.9,2620:fe::fe"}
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("%q, %v; want %q", got, err, want)
	}
	s.Gateway = netip.MustParseAddr("10.0.1.1")
	if _, err := s.settings(); err == nil {
		t.Error("a router out of reach is no error")
	}
	s.Gateway = netip.MustParseAddr("fe80::1")
	if _, err := s.settings(); err != nil {
		t.Error(err)
	}
	s.Addresses = append(s.Addresses, netip.MustParsePrefix("10.0.0.3/24"))
	if _, err := s.settings(); err == nil {
		t.Error("two addresses of a family are no error")
	}
}

func TestConnectErrors(t *testing.T) {
	address := Static{Addresses: []netip.Prefix{netip.MustParsePrefix("10.0.0.2/24")}}
	for _, c := range []struct {
		n    Network
		want string
	}{
		{Network{Kind: ""}, "user, tap:NAME or none"},
		{Network{Kind: "tap:"}, "user, tap:NAME or none"},
		{Network{Kind: "tap:ringo-none"}, "ringo-none"},
		{Network{Kind: "none", Forwards: []gateway.Forward{{Guest: 80}}}, "--net user"},
		{Network{Kind: "user", Static: address}, "tap:NAME"},
	} {
		if _, err := connect(&c.n); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want an error with %q", c.n, err, c.want)
		}
	}
}

func TestHardwareAddr(t *testing.T) {
	a, b := hardwareAddr("tap0"), hardwareAddr("tap1")
	if a == b || a != hardwareAddr("tap0") {
		t.Errorf("%x, %x", a, b)
	}
	if a[0]&3 != 2 {
		t.Errorf("%x is a group's, or a vendor's", a)
	}
}

func TestKernelSettings(t *testing.T) {
	k := Kernel{Hostname: "web", Trace: true}
	if got, want := k.settings(), map[string]string{"hostname": "web", "strace": "1"}; !maps.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestHandOn wants the first request to end to be for the guest, a second one not before
// a while to be the end, and other signals to be handed on as they are.
func TestHandOn(t *testing.T) {
	done := make(chan string, 1)
	stop, err := handOn(
		func(sig syscall.Signal) { done <- fmt.Sprint("signal ", int(sig)) },
		func(sig syscall.Signal) { done <- fmt.Sprint("end by ", int(sig)) },
	)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	for _, c := range []struct {
		sig  syscall.Signal
		wait time.Duration // before
		want string
	}{
		{syscall.SIGHUP, 0, "signal 1"},
		{syscall.SIGINT, 0, "signal 15"},
		{syscall.SIGTERM, 0, ""},
		{syscall.SIGHUP, 0, "signal 1"},
		{syscall.SIGTERM, sameRequest + 10*time.Millisecond, "end by 15"},
	} {
		time.Sleep(c.wait)
		if err := syscall.Kill(syscall.Getpid(), c.sig); err != nil {
			t.Fatal(err)
		}
		if c.want == "" {
			continue // the next one tells
		}
		if got := <-done; got != c.want {
			t.Errorf("%v: %q, want %q", c.sig, got, c.want)
		}
	}
}
