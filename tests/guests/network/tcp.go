package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"sync"
	"syscall"
	"time"

	"ringo.dev/ringo/tests/guests/check"
)

// halfClose closes one direction, and uses the other.
func halfClose() error {
	c, err := connect("127.0.0.1:0", func(c net.Conn) {
		b, _ := io.ReadAll(c)
		fmt.Fprintf(c, "got %d bytes", len(b))
	})
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	if _, err := c.Write(make([]byte, 100_000)); err != nil {
		return err
	}
	if err := c.CloseWrite(); err != nil {
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
	c, err := connect("127.0.0.1:0", echo)
	if err != nil {
		return err
	}
	defer c.Close()
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
	c, err := connect("127.0.0.1:0", echo)
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
		sent <- c.CloseWrite()
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
	c, err := connect("127.0.0.1:0", func(c net.Conn) { io.Copy(c, in) })
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
