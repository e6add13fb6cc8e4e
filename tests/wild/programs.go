package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// program is something that others have written, and what it has to do.
type program struct {
	name    string
	module  string // with its version; empty: testdata has a program named name
	version string
	pkg     string            // of the program
	client  string            // package of another program, which the host runs
	flags   []string          // of ringo build
	args    []string          // of the program; DATA is a directory of its own
	config  map[string]string // files in DATA, which the host keeps
	disk    bool              // DATA is on a disk
	memory  string
	ports   []string // on which it listens; "/udp" after those of UDP
	asked   string   // what probe does, for the table of results
	probe   func(context.Context, *server) error
}

// title is the program's name and version.
func (p *program) title() string {
	if p.module == "" {
		return "`testdata/" + p.name + "`"
	}
	return "`" + p.pkg + "` " + p.version
}

var programs = []program{
	{
		name: "caddy", module: "github.com/caddyserver/caddy/v2", version: "v2.11.9",
		pkg:  "github.com/caddyserver/caddy/v2/cmd/caddy",
		args: []string{"run", "--config", "DATA/Caddyfile"}, memory: "128M", ports: []string{"8080"},
		config: map[string]string{"Caddyfile": "{\n\tadmin off\n}\n:8080 {\n\theader X-By ringo\n\trespond \"hello from caddy\"\n}\n"},
		asked:  "HTTP",
		probe:  httpGet("8080", "/", "hello from caddy"),
	},
	{
		name: "coredns", module: "github.com/coredns/coredns", version: "v1.15.0",
		pkg:  "github.com/coredns/coredns",
		args: []string{"-conf", "DATA/Corefile"}, memory: "128M", ports: []string{"8080", "5353/udp"},
		config: map[string]string{"Corefile": ".:5353 {\n\twhoami\n\thealth :8080\n\tlog\n}\n"},
		asked:  "DNS over UDP, HTTP",
		probe:  all(httpGet("8080", "/health", "OK"), dnsQuery("5353/udp")),
	},
	{
		name: "etcd", module: "go.etcd.io/etcd/server/v3", version: "v3.7.3",
		pkg:  "go.etcd.io/etcd/server/v3",
		args: []string{"--listen-client-urls", "http://0.0.0.0:2379", "--advertise-client-urls", "http://127.0.0.1:2379", "--data-dir", "DATA/etcd"},
		disk: true, memory: "128M", ports: []string{"2379"},
		asked: "keys written and read by its gRPC gateway, metrics",
		probe: all(
			httpPost("2379", "/v3/kv/put", `{"key":"Zm9v","value":"YmFy"}`, "revision"),
			httpPost("2379", "/v3/kv/range", `{"key":"Zm9v"}`, `"value":"YmFy"`),
			httpGet("2379", "/metrics", "etcd_server_has_leader 1"),
		),
	},
	{
		name: "grpc", module: "google.golang.org/grpc", version: "v1.85.0",
		pkg: "google.golang.org/grpc/interop/server", client: "google.golang.org/grpc/interop/client",
		args: []string{"--port", "10000"}, memory: "64M", ports: []string{"10000"},
		asked: "calls and streams of all kinds, by grpc's own client",
		probe: all(grpcCase("10000", "large_unary"), grpcCase("10000", "client_streaming"), grpcCase("10000", "server_streaming"),
			grpcCase("10000", "ping_pong"), grpcCase("10000", "cancel_after_first_response")),
	},
	{
		name: "nats", module: "github.com/nats-io/nats-server/v2", version: "v2.15.2",
		pkg:  "github.com/nats-io/nats-server/v2",
		args: []string{"-m", "8222", "-js", "-sd", "DATA/js"}, disk: true, memory: "64M", ports: []string{"4222", "8222"},
		asked: "publish and subscribe, JetStream on a disk, monitoring",
		probe: all(
			talk("4222", "CONNECT {}\r\nSUB a 1\r\nPUB a 5\r\nhello\r\n", "MSG a 1 5\r\nhello"),
			httpGet("8222", "/jsz", `"max_storage"`),
		),
	},
	{
		name: "node_exporter", module: "github.com/prometheus/node_exporter", version: "v1.12.1",
		pkg: "github.com/prometheus/node_exporter", memory: "64M", ports: []string{"9100"},
		asked: "metrics of the machine",
		probe: httpGet("9100", "/metrics", "node_memory_MemTotal_bytes"),
	},
	{
		name: "host", pkg: ".", memory: "64M", ports: []string{"8080"},
		asked: "gopsutil, procfs, automaxprocs, fsnotify, mmap-go: what they find out about the machine",
		probe: all(
			httpGet("8080", "/", "cpu.Info: ok"), httpGet("8080", "/", "mem.SwapMemory: ok"), httpGet("8080", "/", "host.Info: ok"),
			httpGet("8080", "/", "net.Connections: ok"), httpGet("8080", "/", "process.MemoryInfo: ok"),
			httpGet("8080", "/", "procfs.Self.Snmp: ok"), httpGet("8080", "/", "maxprocs: ok"),
			httpGet("8080", "/", "fsnotify: ok"), httpGet("8080", "/", "mmap: ok"),
		),
	},
	{
		name: "protocols", pkg: ".", memory: "64M",
		ports: []string{"2222", "2525", "3389", "6379", "5353/udp", "4433/udp"},
		asked: "SSH (gliderlabs), SMTP (emersion), LDAP (gldap), Redis (miniredis), DNS (miekg), HTTP/3 (quic-go)",
		probe: func(ctx context.Context, s *server) error {
			return s.run(ctx, s.file, "probe", "ssh="+s.addr("2222"), "smtp="+s.addr("2525"), "ldap="+s.addr("3389"),
				"redis="+s.addr("6379"), "dns="+s.addr("5353/udp"), "http3="+s.addr("4433/udp"))
		},
	},
	{
		name: "stores", pkg: ".", args: []string{"DATA"}, disk: true, memory: "256M", ports: []string{"8080"},
		asked: "badger, pebble, bbolt, goleveldb, modernc's sqlite on a disk",
		probe: all(httpGet("8080", "/badger", "badger <nil>"), httpGet("8080", "/pebble", "pebble <nil>"),
			httpGet("8080", "/bbolt", "bbolt <nil>"), httpGet("8080", "/goleveldb", "goleveldb <nil>"), httpGet("8080", "/sqlite", "sqlite <nil>")),
	},
	{
		name: "tunnel", pkg: ".", memory: "128M", ports: []string{"8080"},
		asked: "wireguard-go with its own network stack, over UDP",
		probe: httpGet("8080", "/", "through the tunnel"),
	},
	{
		name: "wasm", pkg: ".", memory: "64M", ports: []string{"8080"},
		asked: "wazero's compiler: code made at run time",
		probe: httpGet("8080", "/", "the sum is [42]"),
	},
	{
		name: "web", pkg: ".", memory: "64M", ports: []string{"8080", "8081", "8082", "8083", "8084", "8443"},
		asked: "gin, echo, fiber, chi, HTTP/2 over TLS, websockets (gorilla, coder), pprof, Prometheus's metrics",
		probe: all(
			httpGet("8081", "/hello/gin", `{"hello":"gin"}`), httpGet("8082", "/hello/echo", `{"hello":"echo"}`),
			httpGet("8083", "/hello/fiber", `{"hello":"fiber"}`), httpGet("8084", "/hello/chi", `{"hello":"chi"}`),
			http2Get("8443"), httpGet("8080", "/metrics", "process_open_fds"),
			httpGet("8080", "/debug/pprof/goroutine?debug=1", "goroutine profile"),
			func(ctx context.Context, s *server) error { return s.run(ctx, s.file, "probe", s.addr("8080")) },
		),
	},
}

type probe = func(context.Context, *server) error

// all asks several things, one after the other.
func all(probes ...probe) probe {
	return func(ctx context.Context, s *server) error {
		for _, p := range probes {
			if err := p(ctx, s); err != nil {
				return err
			}
		}
		return nil
	}
}

// httpGet wants an answer that contains text.
func httpGet(port, path, text string) probe {
	return func(ctx context.Context, s *server) error {
		return do(ctx, http.DefaultClient, http.MethodGet, "http://"+s.addr(port)+path, "", text)
	}
}

func httpPost(port, path, body, text string) probe {
	return func(ctx context.Context, s *server) error {
		return do(ctx, http.DefaultClient, http.MethodPost, "http://"+s.addr(port)+path, body, text)
	}
}

// http2Get wants the answer HTTP/2.0, over TLS.
func http2Get(port string) probe {
	return func(ctx context.Context, s *server) error {
		t := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
		defer t.CloseIdleConnections()
		return do(ctx, &http.Client{Transport: t}, http.MethodGet, "https://"+s.addr(port)+"/", "", "HTTP/2.0")
	}
}

func do(ctx context.Context, c *http.Client, method, url, body, text string) error {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return err
	}
	res, err := c.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return fmt.Errorf("%s: %w", url, err)
	}
	if res.StatusCode/100 != 2 || !strings.Contains(string(b), text) {
		return fmt.Errorf("%s: %s without %q: %.300s", url, res.Status, text, b)
	}
	return nil
}

// grpcCase runs a case of grpc's interoperability tests.
func grpcCase(port, name string) probe {
	return func(ctx context.Context, s *server) error {
		return s.run(ctx, s.client, "--server_host", "127.0.0.1", "--server_port", s.ports[port], "--test_case", name)
	}
}

// talk sends text over TCP and reads until the answer contains want.
func talk(port, text, want string) probe {
	return func(ctx context.Context, s *server) error {
		c, err := dial(ctx, "tcp", s.addr(port))
		if err != nil {
			return err
		}
		defer c.Close()
		if _, err := io.WriteString(c, text); err != nil {
			return err
		}
		var got []byte
		for b := make([]byte, 4096); !strings.Contains(string(got), want); {
			n, err := c.Read(b)
			if err != nil {
				return fmt.Errorf("%w after %q", err, got)
			}
			got = append(got, b[:n]...)
		}
		return nil
	}
}

// dnsQuery wants any answer without error to a question.
func dnsQuery(port string) probe {
	return func(ctx context.Context, s *server) error {
		c, err := dial(ctx, "udp", s.addr(port))
		if err != nil {
			return err
		}
		defer c.Close()
		// Number 7, one question: A of example.org.
		query := "\x00\x07\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x07example\x03org\x00\x00\x01\x00\x01"
		if _, err := io.WriteString(c, query); err != nil {
			return err
		}
		b := make([]byte, 512)
		n, err := c.Read(b)
		if err != nil {
			return err
		}
		const headerLen, errorBits = 12, 0x0f
		if n < headerLen || b[1] != 7 || b[3]&errorBits != 0 {
			return errors.New("the answer is an error")
		}
		return nil
	}
}

// dial connects, with a deadline for what comes after it.
func dial(ctx context.Context, network, addr string) (net.Conn, error) {
	const patience = 10 * time.Second
	c, err := (&net.Dialer{Timeout: patience}).DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	return c, c.SetDeadline(time.Now().Add(patience))
}
