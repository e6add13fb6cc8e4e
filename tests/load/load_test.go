package load

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
)

func serve(t *testing.T, h http.HandlerFunc) string {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

func TestHTTP(t *testing.T) {
	addr := serve(t, func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "page") })
	for _, keep := range []bool{false, true} {
		r := Run(t.Context(), Plan{Clients: 3, Requests: 100}, func() Client {
			return &HTTP{Addr: addr, Path: "/", Want: "page", KeepAlive: keep}
		})
		if r.Failed != 0 || len(r.Latencies) != 100 || r.Quantile(.5) <= 0 || r.Quantile(.5) > r.Quantile(1) {
			t.Errorf("keep-alive %v: %v", keep, &r)
		}
	}
}

// TestHTTPFailures wants wrong pages, errors and lost connections to count.
func TestHTTPFailures(t *testing.T) {
	var n atomic.Int64
	addr := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch n.Add(1) % 4 {
		case 0:
			panic(http.ErrAbortHandler)
		case 1:
			http.Error(w, "page", http.StatusInternalServerError)
		case 2:
			io.WriteString(w, "another page")
		case 3:
			io.WriteString(w, "page")
		}
	})
	r := Run(t.Context(), Plan{Clients: 1, Requests: 40}, func() Client {
		return &HTTP{Addr: addr, Path: "/", Want: "page", KeepAlive: true}
	})
	if r.Failed != 30 || len(r.Latencies) != 10 || r.Err == nil {
		t.Error(&r)
	}
}

func TestUDP(t *testing.T) {
	p, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	go func() {
		b := make([]byte, 100)
		for {
			n, from, err := p.ReadFrom(b)
			if err != nil {
				return
			}
			p.WriteTo(b[:n], from)
		}
	}()
	r := Run(t.Context(), Plan{Clients: 2, Duration: 50 * time.Millisecond}, func() Client {
		c, err := net.Dial("udp", p.LocalAddr().String())
		if err != nil {
			t.Error(err)
		}
		return &UDP{Conn: c, Size: 64}
	})
	if r.Failed != 0 || len(r.Latencies) == 0 {
		t.Error(&r)
	}
}
