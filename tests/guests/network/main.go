// Command network shows package net: within the machine, and, by the properties
// that say so, towards a host that the tests name in the environment.
package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"ringo.dev/ringo/tests/guests/check"
)

func main() {
	check.Main(check.Properties{
		"interfaces":  interfaces,
		"tcp":         onBoth(echoTCP),
		"udp":         onBoth(echoUDP),
		"dualstack":   dualStack,
		"halfclose":   halfClose,
		"deadlines":   deadlines,
		"refused":     refused,
		"options":     options,
		"addrinuse":   addressInUse,
		"closed":      closedMeanwhile,
		"sequential":  sequential,
		"concurrent":  concurrent,
		"bulk":        bulk,
		"sendfile":    sendFile,
		"http":        serveHTTP,
		"udpshort":    truncated,
		"localhost":   localhost,
		"roots":       roots,
		"proc":        proc,
		"rawcalls":    rawCalls,
		"dial":        dial("ECHO"),
		"dial6":       dial("ECHO6"),
		"fetch":       fetch,
		"nosuchhost":  noSuchHost,
		"unreachable": unreachable,
		"deadlock":    func() error { select {} },
		"goexit":      func() error { runtime.Goexit(); return nil },
		"asleep":      asleep,
	})
}

const patience = 20 * time.Second

// onBoth shows a property on the loopback addresses of IPv4 and IPv6.
func onBoth(show func(addr string) error) func() error {
	return func() error {
		for _, addr := range []string{"127.0.0.1:0", "[::1]:0"} {
			if err := show(addr); err != nil {
				return fmt.Errorf("%s: %w", addr, err)
			}
		}
		return nil
	}
}

func interfaces() error {
	all, err := net.Interfaces()
	if err != nil {
		return err
	}
	loopback := slices.IndexFunc(all, func(i net.Interface) bool { return i.Flags&net.FlagLoopback != 0 })
	if loopback < 0 {
		return fmt.Errorf("no loopback among %v", all)
	}
	addrs, err := all[loopback].Addrs()
	if err != nil {
		return err
	}
	var text []string
	for _, a := range addrs {
		text = append(text, a.String())
	}
	if !slices.Contains(text, "127.0.0.1/8") {
		return fmt.Errorf("the loopback's addresses are %v", text)
	}
	byName, err := net.InterfaceByName(all[loopback].Name)
	if err != nil {
		return err
	}
	if err := check.Equal("index", byName.Index, all[loopback].Index); err != nil {
		return err
	}
	if check.Setting("CARDS", 0) > 0 && len(all) < 2 {
		return fmt.Errorf("no network card among %v", all)
	}
	return nil
}

// listen listens and lets serve have every connection. The listener's address
// is returned.
func listen(addr string, serve func(net.Conn)) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, err
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				serve(c)
			}()
		}
	}()
	return l, nil
}

func echo(c net.Conn) { io.Copy(c, c) }

// exchange sends a message and wants it back.
func exchange(c net.Conn, message string) error {
	c.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(c, message); err != nil {
		return err
	}
	b := make([]byte, len(message))
	if _, err := io.ReadFull(c, b); err != nil {
		return err
	}
	return check.Equal("echo", string(b), message)
}

func echoTCP(addr string) error {
	l, err := listen(addr, echo)
	if err != nil {
		return err
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		return err
	}
	defer c.Close()
	if err := check.Equal("remote address", c.RemoteAddr().String(), l.Addr().String()); err != nil {
		return err
	}
	for n := range 100 {
		if err := exchange(c, fmt.Sprintf("message %d", n)); err != nil {
			return err
		}
	}
	return nil
}

func echoUDP(addr string) error {
	server, err := net.ListenPacket("udp", addr)
	if err != nil {
		return err
	}
	defer server.Close()
	go func() {
		b := make([]byte, 2000)
		for {
			n, from, err := server.ReadFrom(b)
			if err != nil {
				return
			}
			server.WriteTo(b[:n], from)
		}
	}()
	c, err := net.Dial("udp", server.LocalAddr().String())
	if err != nil {
		return err
	}
	defer c.Close()
	for n := range 100 {
		if err := exchange(c, strings.Repeat("x", n*10)); n > 0 && err != nil {
			return err
		}
	}
	return nil
}

// dualStack listens on every address, and connects by both families.
func dualStack() error {
	l, err := listen(":0", echo)
	if err != nil {
		return err
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	for _, host := range []string{"127.0.0.1", "::1"} {
		c, err := net.Dial("tcp", net.JoinHostPort(host, fmt.Sprint(port)))
		if err != nil {
			return err
		}
		err = exchange(c, "by "+host)
		c.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// halfClose closes one direction, and uses the other.
func halfClose() error {
	l, err := listen("127.0.0.1:0", func(c net.Conn) {
		b, _ := io.ReadAll(c)
		fmt.Fprintf(c, "got %d bytes", len(b))
	})
	if err != nil {
		return err
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	if _, err := c.Write(make([]byte, 100_000)); err != nil {
		return err
	}
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		return err
	}
	answer, err := io.ReadAll(c)
	if err != nil {
		return err
	}
	return check.Equal("answer", string(answer), "got 100000 bytes")
}

func deadlines() error {
	silent := make(chan struct{})
	l, err := listen("127.0.0.1:0", func(c net.Conn) { <-silent })
	if err != nil {
		return err
	}
	defer l.Close()
	defer close(silent)
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		return err
	}
	defer c.Close()
	for range 3 {
		start := time.Now()
		c.SetReadDeadline(start.Add(20 * time.Millisecond))
		_, err = c.Read(make([]byte, 1))
		if err := check.Is("read", err, os.ErrDeadlineExceeded); err != nil {
			return err
		}
		if took := time.Since(start); took < 20*time.Millisecond || took > 5*time.Second {
			return fmt.Errorf("a deadline of 20ms took %v", took)
		}
	}
	// Nobody reads: the writer has to stop at its deadline.
	c.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
	_, err = c.Write(make([]byte, 64<<20))
	if err := check.Is("write", err, os.ErrDeadlineExceeded); err != nil {
		return err
	}
	tl := l.(*net.TCPListener)
	tl.SetDeadline(time.Now())
	_, err = net.DialTimeout("tcp", "127.0.0.1:1", time.Second)
	return check.Is("dial to a closed port", err, syscall.ECONNREFUSED)
}

func refused() error {
	_, err := net.Dial("tcp", "127.0.0.1:1")
	if err := check.Is("TCP", err, syscall.ECONNREFUSED); err != nil {
		return err
	}
	c, err := net.Dial("udp", "127.0.0.1:1")
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.Write([]byte("x")); err != nil {
		return err
	}
	c.SetReadDeadline(time.Now().Add(patience))
	_, err = c.Read(make([]byte, 1))
	return check.Is("UDP", err, syscall.ECONNREFUSED)
}

// options sets every option that package net has.
func options() error {
	l, err := listen("127.0.0.1:0", echo)
	if err != nil {
		return err
	}
	defer l.Close()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		return err
	}
	defer conn.Close()
	c := conn.(*net.TCPConn)
	err = errors.Join(
		c.SetNoDelay(false), c.SetNoDelay(true),
		c.SetKeepAlive(true), c.SetKeepAlivePeriod(time.Minute),
		c.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: time.Minute, Interval: time.Second, Count: 3}),
		c.SetReadBuffer(1<<17), c.SetWriteBuffer(1<<17),
		c.SetLinger(0), c.SetLinger(-1),
	)
	if err != nil {
		return err
	}
	if err := exchange(c, "still works"); err != nil {
		return err
	}
	f, err := c.File()
	if err != nil {
		return err
	}
	defer f.Close()
	again, err := net.FileConn(f)
	if err != nil {
		return err
	}
	defer again.Close()
	if err := exchange(again, "and by the copy"); err != nil {
		return err
	}
	p, err := net.ListenPacket("udp", ":0")
	if err != nil {
		return err
	}
	defer p.Close()
	u := p.(*net.UDPConn)
	return errors.Join(u.SetReadBuffer(1<<17), u.SetWriteBuffer(1<<17))
}

func addressInUse() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	_, err = net.Listen("tcp", l.Addr().String())
	if err := check.Is("second listener", err, syscall.EADDRINUSE); err != nil {
		return err
	}
	if err := l.Close(); err != nil {
		return err
	}
	l, err = net.Listen("tcp", l.Addr().String())
	if err != nil {
		return fmt.Errorf("after the first one closed: %w", err)
	}
	return l.Close()
}

// closedMeanwhile closes what other goroutines wait for.
func closedMeanwhile() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	p, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	errs := make(chan error, 2)
	go func() { _, err := l.Accept(); errs <- err }()
	go func() { _, _, err := p.ReadFrom(make([]byte, 1)); errs <- err }()
	time.Sleep(10 * time.Millisecond)
	l.Close()
	p.Close()
	for range 2 {
		select {
		case err := <-errs:
			if err := check.Is("waiting", err, net.ErrClosed); err != nil {
				return err
			}
		case <-time.After(patience):
			return errors.New("still waiting for what is closed")
		}
	}
	return nil
}

func sequential() error {
	l, err := listen("127.0.0.1:0", echo)
	if err != nil {
		return err
	}
	defer l.Close()
	for n := range 2000 {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			return fmt.Errorf("connection %d: %w", n, err)
		}
		err = exchange(c, "x")
		c.Close()
		if err != nil {
			return fmt.Errorf("connection %d: %w", n, err)
		}
	}
	return nil
}

func concurrent() error {
	l, err := listen("127.0.0.1:0", echo)
	if err != nil {
		return err
	}
	defer l.Close()
	const conns = 200
	errs := make(chan error, conns)
	for range conns {
		go func() {
			c, err := net.Dial("tcp", l.Addr().String())
			if err != nil {
				errs <- err
				return
			}
			defer c.Close()
			for range 20 {
				if err := exchange(c, "0123456789"); err != nil {
					errs <- err
					return
				}
			}
			errs <- nil
		}()
	}
	var first error
	for range conns {
		if err := <-errs; err != nil && first == nil {
			first = err
		}
	}
	return first
}

// bulk sends 32 MB each way at the same time.
func bulk() error {
	l, err := listen("127.0.0.1:0", echo)
	if err != nil {
		return err
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(3 * patience))
	block := make([]byte, 1<<16)
	for i := range block {
		block[i] = byte(i * i >> 5)
	}
	const blocks = 512
	sent := make(chan error, 1)
	go func() {
		for range blocks {
			if _, err := c.Write(block); err != nil {
				sent <- err
				return
			}
		}
		sent <- c.(*net.TCPConn).CloseWrite()
	}()
	got := make([]byte, len(block))
	for n := range blocks {
		if _, err := io.ReadFull(c, got); err != nil {
			return fmt.Errorf("block %d: %w", n, err)
		}
		if !bytes.Equal(got, block) {
			return fmt.Errorf("block %d changed", n)
		}
	}
	return <-sent
}

// sendFile copies a file to a connection and back into a file, for which
// package net would use sendfile and splice.
func sendFile() error {
	in, err := os.CreateTemp("", "")
	if err != nil {
		return err
	}
	defer os.Remove(in.Name())
	contents := bytes.Repeat([]byte("0123456789abcdef"), 50_000)
	if _, err := in.Write(contents); err != nil {
		return err
	}
	if _, err := in.Seek(0, io.SeekStart); err != nil {
		return err
	}
	l, err := listen("127.0.0.1:0", func(c net.Conn) { io.Copy(c, in) })
	if err != nil {
		return err
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		return err
	}
	defer c.Close()
	out, err := os.CreateTemp("", "")
	if err != nil {
		return err
	}
	defer os.Remove(out.Name())
	if _, err := io.Copy(out, c); err != nil {
		return err
	}
	got, err := os.ReadFile(out.Name())
	if err != nil {
		return err
	}
	if !bytes.Equal(got, contents) {
		return fmt.Errorf("%d bytes arrived of %d, or others", len(got), len(contents))
	}
	return nil
}

func serveHTTP() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		fmt.Fprintf(w, "%s %d", r.URL.Path, n)
	})}
	go server.Serve(l)
	var wg sync.WaitGroup
	errs := make(chan error, 8)
	for n := range cap(errs) {
		wg.Go(func() {
			for range 20 {
				resp, err := http.Post(fmt.Sprintf("http://%s/%d", l.Addr(), n), "", bytes.NewReader(make([]byte, 10_000)))
				if err != nil {
					errs <- err
					return
				}
				b, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if want := fmt.Sprintf("/%d 10000", n); err != nil || string(b) != want {
					errs <- fmt.Errorf("answer %q, %v, want %q", b, err, want)
					return
				}
			}
		})
	}
	wg.Wait()
	select {
	case err := <-errs:
		return err
	default:
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	return server.Shutdown(ctx)
}

// truncated reads a datagram into too small a buffer, and then the next one.
func truncated() error {
	p, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer p.Close()
	for _, s := range []string{"0123456789", "next"} {
		if _, err := p.WriteTo([]byte(s), p.LocalAddr()); err != nil {
			return err
		}
	}
	p.SetReadDeadline(time.Now().Add(patience))
	for _, want := range []string{"0123", "next"} {
		b := make([]byte, 4)
		n, from, err := p.ReadFrom(b)
		if err != nil {
			return err
		}
		if err := check.Equal("sender", from.String(), p.LocalAddr().String()); err != nil {
			return err
		}
		if err := check.Equal("datagram", string(b[:n]), want); err != nil {
			return err
		}
	}
	return nil
}

// proc looks for what programs that watch a system read in /proc/net, and for a
// socket of this program, which they find by the number of its descriptor's link.
func proc() error {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer l.Close()
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		return err
	}
	defer f.Close()
	link, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
	if err != nil {
		return err
	}
	inode := strings.TrimSuffix(strings.TrimPrefix(link, "socket:["), "]")
	for name, want := range map[string]string{
		"tcp":      fmt.Sprintf(" 0100007F:%04X 00000000:0000 0A ", l.Addr().(*net.TCPAddr).Port),
		"unix":     "Num       RefCount Protocol Flags    Type St Inode Path\n",
		"snmp":     "\nTcp: RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens ",
		"netstat":  "\nIpExt: ",
		"sockstat": "sockets: used ",
		"dev":      " lo:",
	} {
		b, err := os.ReadFile("/proc/net/" + name)
		if err != nil {
			return err
		}
		at := strings.Index(string(b), want)
		if at < 0 {
			return fmt.Errorf("no %q in /proc/net/%s:\n%s", want, name, b)
		}
		if name == "tcp" {
			line, _, _ := strings.Cut(string(b[at:]), "\n")
			const inodeField = 8 // without the first
			if err := check.Equal("inode in "+line, strings.Fields(line)[inodeField], inode); err != nil {
				return err
			}
		}
	}
	return nil
}

func localhost() error {
	addrs, err := net.LookupHost("localhost")
	if err != nil {
		return err
	}
	if !slices.Contains(addrs, "127.0.0.1") {
		return fmt.Errorf("localhost is %v", addrs)
	}
	return nil
}

func roots() error {
	pool, err := x509.SystemCertPool()
	if err != nil {
		return err
	}
	if pool.Equal(x509.NewCertPool()) {
		return errors.New("there are no root certificates")
	}
	return nil
}

// rawCalls makes the socket calls without package net.
func rawCalls() error {
	l, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	if err := syscall.Bind(l, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return err
	}
	if err := syscall.Listen(l, 1); err != nil {
		return err
	}
	addr, err := syscall.Getsockname(l)
	if err != nil {
		return err
	}
	c, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	if err := syscall.Connect(c, addr); err != nil {
		return err
	}
	s, _, err := syscall.Accept(l)
	if err != nil {
		return err
	}
	if _, err := syscall.Write(c, []byte("blocking")); err != nil {
		return err
	}
	b := make([]byte, 20)
	n, err := syscall.Read(s, b)
	if err != nil {
		return err
	}
	if err := check.Equal("data", string(b[:n]), "blocking"); err != nil {
		return err
	}
	if err := syscall.Shutdown(c, syscall.SHUT_WR); err != nil {
		return err
	}
	if n, err := syscall.Read(s, b); n != 0 || err != nil {
		return fmt.Errorf("read %d, %v after the other side's end", n, err)
	}
	return errors.Join(syscall.Close(c), syscall.Close(s), syscall.Close(l))
}

// dial reaches the host's echo service at the address in a variable of the
// environment.
func dial(variable string) func() error {
	return func() error {
		c, err := net.DialTimeout("tcp", os.Getenv(variable), patience)
		// A router's advertisement, with the way to other networks, may take seconds.
		for start := time.Now(); errors.Is(err, syscall.ENETUNREACH) && time.Since(start) < patience; {
			time.Sleep(100 * time.Millisecond)
			c, err = net.DialTimeout("tcp", os.Getenv(variable), patience)
		}
		if err != nil {
			return err
		}
		defer c.Close()
		for n := 1; n < 100_000; n *= 10 {
			if err := exchange(c, strings.Repeat("x", n)); err != nil {
				return err
			}
		}
		return nil
	}
}

// fetch gets the page at URL, which says "hello".
func fetch() error {
	client := http.Client{Timeout: patience}
	for range 20 {
		resp, err := client.Get(os.Getenv("URL"))
		if err != nil {
			return err
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil {
			return err
		}
		if err := check.Equal("page", string(b), "hello"); err != nil {
			return err
		}
		client.CloseIdleConnections()
	}
	return nil
}

func noSuchHost() error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	_, err := net.DefaultResolver.LookupHost(ctx, "no-such-host.invalid")
	var e *net.DNSError
	if !errors.As(err, &e) {
		return fmt.Errorf("look-up: %v", err)
	}
	return nil
}

// unreachable dials an address of a network that nobody has.
func unreachable() error {
	start := time.Now()
	c, err := net.DialTimeout("tcp", "192.0.2.1:80", 500*time.Millisecond)
	if err == nil {
		c.Close()
		return errors.New("connected")
	}
	if took := time.Since(start); took > 5*time.Second {
		return fmt.Errorf("a time-out of 500ms took %v", took)
	}
	return nil
}
