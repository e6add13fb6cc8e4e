package tests

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"ringo.dev/ringo/tests/harness"
	"ringo.dev/ringo/vmm/net/gateway"
)

// hostServices are servers on the host's loopback, for guests as clients. They
// are named by their ports.
type hostServices struct {
	echo  string // TCP echo
	echo6 string // the same by IPv6
	http  string // answers "hello"
}

func startHostServices(t *testing.T) *hostServices {
	t.Helper()
	listen := func(host string) (net.Listener, string) {
		l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		_, port, _ := net.SplitHostPort(l.Addr().String())
		return l, port
	}
	echo, echoPort := listen("127.0.0.1")
	echo6, echo6Port := listen("::1")
	web, webPort := listen("127.0.0.1")
	go serveEcho(echo)
	go serveEcho(echo6)
	go http.Serve(web, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, "hello")
	}))
	return &hostServices{echo: echoPort, echo6: echo6Port, http: webPort}
}

// serveEcho serves until l is closed.
func serveEcho(l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			io.Copy(c, c)
		}()
	}
}

// TestClient fetches a page from the host by a name that only the host knows.
func TestClient(t *testing.T) {
	needKVM(t)
	h := startHostServices(t)
	hosts := filepath.Join(t.TempDir(), "hosts")
	const name = "web.ringo.test"
	if err := os.WriteFile(hosts, []byte(fmt.Sprintf("127.0.0.1 localhost\n%v %s\n", gateway.Router4, name)), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := ringo.Command(limit(t, time.Minute), "run", program(t, "examples/client"), "--", "http://"+name+":"+h.http+"/")
	if err := harness.See(cmd, harness.Mount{Source: hosts, Target: "/etc/hosts"}); err != nil {
		t.Fatal(err)
	}
	g, err := harness.StartGuest(cmd)
	if err != nil {
		t.Fatal(err)
	}
	got, err := g.Wait(t.Context())
	if err != nil || got.Status != 0 || got.Output != "hello" {
		t.Errorf("%+v, %v", got, err)
	}
}
