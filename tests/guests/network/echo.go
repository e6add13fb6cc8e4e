package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"ringo.dev/ringo/tests/guests/check"
)

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

// connection is one within the machine. Close closes its listener as well.
type connection struct {
	*net.TCPConn
	listener net.Listener
}

// connect connects to a new listener at addr; serve has the other end.
func connect(addr string, serve func(net.Conn)) (*connection, error) {
	l, err := listen(addr, serve)
	if err != nil {
		return nil, err
	}
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		l.Close()
		return nil, err
	}
	return &connection{c.(*net.TCPConn), l}, nil
}

// Close implements net.Conn.
func (c *connection) Close() error { return errors.Join(c.TCPConn.Close(), c.listener.Close()) }

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
	c, err := connect(addr, echo)
	if err != nil {
		return err
	}
	defer c.Close()
	if err := check.Equal("remote address", c.RemoteAddr().String(), c.listener.Addr().String()); err != nil {
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
