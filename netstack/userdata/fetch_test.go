package userdata

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

const given = "#ringo\n-http :80\n"

// cloud is a metadata service that has user data at a path.
type cloud struct {
	path   string
	header [2]string // what a request has to hold
	token  string    // what PUT answers with; "": it is refused
	body   string
}

func (c cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case r.Method == "PUT" && r.URL.Path == "/latest/api/token" && c.token != "":
		if r.Header.Get("X-aws-ec2-metadata-token-ttl-seconds") == "" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		io.WriteString(w, c.token)
	case r.Method != "GET":
		w.WriteHeader(http.StatusMethodNotAllowed)
	case c.header[0] != "" && r.Header.Get(c.header[0]) != c.header[1]:
		w.WriteHeader(http.StatusUnauthorized)
	case r.URL.RequestURI() != c.path:
		http.NotFound(w, r)
	default:
		io.WriteString(w, c.body)
	}
}

// serve starts a server and returns its address.
func serve(t *testing.T, h http.Handler) netip.AddrPort {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return netip.MustParseAddrPort(s.Listener.Addr().String())
}

// at returns all services, as if all were at one address.
func at(server netip.AddrPort) []source {
	list := services()[1:] // without the disks
	for i := range list {
		list[i].server = server
	}
	return list
}

// TestFetch asks imitations of clouds.
func TestFetch(t *testing.T) {
	const token = "AQAEAN8s5kX_token=="
	ec2 := [2]string{"X-aws-ec2-metadata-token", token}
	for _, c := range []struct {
		name  string
		cloud cloud
		from  string
	}{
		{"EC2 with tokens only", cloud{"/latest/user-data", ec2, token, given}, "ec2"},
		{"EC2 before tokens", cloud{"/latest/user-data", [2]string{}, "", given}, "ec2"},
		{"GCE", cloud{"/computeMetadata/v1/instance/attributes/user-data", [2]string{"Metadata-Flavor", "Google"}, "", given}, "gce"},
		{"DigitalOcean", cloud{"/metadata/v1/user-data", [2]string{}, "", given}, "digitalocean"},
		{"Hetzner", cloud{"/hetzner/v1/userdata", [2]string{}, "", given}, "hetzner"},
		{"Azure", cloud{"/metadata/instance/compute/userData?api-version=2021-01-01&format=text", [2]string{"Metadata", "true"}, "", given}, "azure"},
		{"long", cloud{"/latest/user-data", ec2, token, given + strings.Repeat("x", maxData-len(given))}, "ec2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := fetchWithin(defaultWait, at(serve(t, c.cloud)))
			if err != nil || got.from != c.from || string(got.data) != c.cloud.body {
				t.Errorf("%.40q from %q, %v", got.data, got.from, err)
			}
		})
	}
}

// TestFetchURL asks a server of one's own.
func TestFetchURL(t *testing.T) {
	server := serve(t, cloud{path: "/a/b?c", body: given})
	c, err := ParseConfig("x=y\nuser-data=http://" + server.String() + "/a/b?c\n")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := fetchWithin(c.Wait, c.sources); err != nil || string(got.data) != given {
		t.Errorf("%q, %v", got.data, err)
	}
}

// TestFetchNothing has answers at once where a service is there and has nothing,
// and else after the time that it may take.
func TestFetchNothing(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0") // accepts, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { silent.Close() })
	refusing, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refusing.Close()
	status := func(code int) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) })
	}
	for _, c := range []struct {
		name   string
		server netip.AddrPort
		want   string
		soon   bool
	}{
		{"not found", serve(t, status(404)), ErrNone.Error(), true},
		{"forbidden", serve(t, status(403)), ErrNone.Error(), true},
		{"empty", serve(t, status(200)), ErrNone.Error(), true},
		{"broken", serve(t, status(503)), "status 503", false},
		{"silent", netip.MustParseAddrPort(silent.Addr().String()), "no answer", false},
		{"refusing", netip.MustParseAddrPort(refusing.Addr().String()), "connection refused", false},
		{"garbage", serve(t, hijack("SSH-2.0-OpenSSH\r\n")), "not HTTP", false},
		{"endless", serve(t, hijack("HTTP/1.1 200 OK\r\n\r\n"+strings.Repeat("x", 2*maxResponse))), "64 KiB", false},
		{"endless head", serve(t, hijack("HTTP/1.1 200 OK\r\n"+strings.Repeat("A: b\r\n", maxResponse))), "64 KiB", false},
		{"short", serve(t, hijack("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx")), "too early", false},
		{"bad token", serve(t, hijack("HTTP/1.1 200 OK\r\n\r\na\r\nX-Other: y")), "token", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			wait := time.Second // which a busy machine needs for a request
			if c.soon {
				wait = time.Minute
			}
			start := time.Now()
			got, err := fetchWithin(wait, at(c.server)[:1])
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%q, %v, want %q", got.data, err, c.want)
			}
			if took := time.Since(start); took > wait+5*time.Second || c.soon && took > wait {
				t.Errorf("it took %v", took)
			}
		})
	}
}

// hijack answers with text that net/http would not write, and closes.
func hijack(text string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			panic(err)
		}
		defer c.Close()
		io.WriteString(c, text)
	})
}

// TestFetchLater has a service that takes a little to come up.
func TestFetchLater(t *testing.T) {
	var asked atomic.Int32
	server := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) <= 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		cloud{path: "/latest/user-data", body: given}.ServeHTTP(w, r)
	}))
	if got, err := fetchWithin(defaultWait, at(server)[:1]); err != nil || string(got.data) != given {
		t.Errorf("%q, %v", got.data, err)
	}
}

// TestInterrupted has signals come while a connection is waited for, as the Go runtime
// sends them: they do not end the wait.
func TestInterrupted(t *testing.T) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	server := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(name.(*syscall.SockaddrInet4).Port))
	c, err := dial(server, time.Now().Add(10*time.Second)) // the only one that the server has room for
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	signals := time.NewTicker(time.Millisecond)
	defer signals.Stop()
	go func() {
		for range signals.C {
			_ = syscall.Kill(syscall.Getpid(), syscall.SIGURG)
		}
	}()
	const wait = 200 * time.Millisecond
	start := time.Now()
	if _, err := dial(server, start.Add(wait)); err != errTime || time.Since(start) < wait-10*time.Millisecond {
		t.Errorf("%v after %v, want %v after %v", err, time.Since(start), errTime, wait)
	}
}

// TestSources has what the configuration can say.
func TestSources(t *testing.T) {
	for value, want := range map[string]string{
		"disk": "disk invalid AddrPort",
		"auto": "disk invalid AddrPort, ec2 169.254.169.254:80, gce 169.254.169.254:80, digitalocean 169.254.169.254:80, " +
			"hetzner 169.254.169.254:80, azure 169.254.169.254:80, ec2 [fd00:ec2::254]:80",
		"gce,hetzner":               "gce 169.254.169.254:80, hetzner 169.254.169.254:80",
		"http://10.0.0.1":           "http://10.0.0.1 10.0.0.1:80",
		"http://[fd00::1]/x":        "http://[fd00::1]/x [fd00::1]:80",
		"ec2,http://[fd00::1]:81/x": "ec2 169.254.169.254:80, ec2 [fd00:ec2::254]:80, http://[fd00::1]:81/x [fd00::1]:81",
	} {
		list, err := parseSources(value)
		var got []string
		for _, s := range list {
			got = append(got, fmt.Sprintf("%s %s", s.name, s.server))
		}
		if err != nil || strings.Join(got, ", ") != want {
			t.Errorf("%s: %q, %v", value, got, err)
		}
	}
	for _, bad := range []string{"user-data=", "user-data=ec2,", "user-data=aws", "user-data=http://host/", "user-data=http://10.0.0.1/a b",
		"user-data=http://[fe80::1%eth0]/", "user-data=https://10.0.0.1/", "user-data.wait=0", "user-data.wait=-1", "user-data.wait=x", "user-data.wait=3601"} {
		if c, err := ParseConfig(bad); err == nil {
			t.Errorf("%s: %+v", bad, c)
		}
	}
	if c, err := ParseConfig("user-data=gce\nuser-data.wait=3\n"); err != nil || c.Wait != 3*time.Second {
		t.Errorf("%+v, %v", c, err)
	}
	if c, err := ParseConfig("net.ip=10.0.0.2/24\n"); err != nil || c.Wanted() {
		t.Errorf("%+v, %v", c, err)
	}
}

// TestHost is what a request names the server.
func TestHost(t *testing.T) {
	for server, want := range map[string]string{"169.254.169.254:80": "169.254.169.254", "[fd00::1]:80": "[fd00::1]", "10.0.0.1:8080": "10.0.0.1:8080"} {
		s := source{server: netip.MustParseAddrPort(server)}
		if got := s.host(); got != want {
			t.Errorf("%s: %s, want %s", server, got, want)
		}
	}
}
