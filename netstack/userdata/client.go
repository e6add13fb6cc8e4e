package userdata

import (
	"errors"
	"fmt"
	"net/netip"
	"syscall"
	"time"
)

// errTime is the end of a request's time.
var errTime = errors.New("the server takes too long")

// conn is a TCP connection whose blocking calls end at a deadline.
type conn struct {
	fd       int
	deadline time.Time
}

// exchange sends a request to a server and reads the response.
func exchange(server netip.AddrPort, request string, deadline time.Time) (response, error) {
	c, err := dial(server, deadline)
	if err != nil {
		return response{}, fmt.Errorf("connecting: %w", err)
	}
	defer c.close()
	if err := c.write([]byte(request)); err != nil {
		return response{}, fmt.Errorf("sending: %w", err)
	}
	return c.response()
}

// dial connects to a server.
func dial(server netip.AddrPort, deadline time.Time) (*conn, error) {
	family, addr := syscall.AF_INET6, syscall.Sockaddr(&syscall.SockaddrInet6{Port: int(server.Port()), Addr: server.Addr().As16()})
	if server.Addr().Is4() {
		family, addr = syscall.AF_INET, &syscall.SockaddrInet4{Port: int(server.Port()), Addr: server.Addr().As4()}
	}
	fd, err := syscall.Socket(family, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	c := &conn{fd, deadline}
	if err := c.connect(addr); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// connect waits until the connection is there. A signal ends the wait and not the
// connecting, so that the next call goes on with it, or finds that it is done.
func (c *conn) connect(addr syscall.Sockaddr) error {
	for {
		if err := c.limit(syscall.SO_SNDTIMEO); err != nil {
			return err
		}
		switch err := syscall.Connect(c.fd, addr); err {
		case syscall.EINTR:
		case nil, syscall.EISCONN:
			return nil
		default:
			return inTime(err)
		}
	}
}

// close ends the connection. What was to be learned from it has been.
func (c *conn) close() { _ = syscall.Close(c.fd) }

// limit lets the calls that an option is for end at the deadline.
func (c *conn) limit(option int) error {
	left := time.Until(c.deadline)
	if left < time.Millisecond { // 0 is no limit
		return errTime
	}
	tv := syscall.NsecToTimeval(left.Nanoseconds())
	return syscall.SetsockoptTimeval(c.fd, syscall.SOL_SOCKET, option, &tv)
}

// inTime returns errTime for the errors of a call that a limit has ended.
func inTime(err error) error {
	if err == syscall.EAGAIN || err == syscall.EINPROGRESS || err == syscall.EALREADY {
		return errTime
	}
	return err
}

func (c *conn) write(b []byte) error {
	for len(b) > 0 {
		if err := c.limit(syscall.SO_SNDTIMEO); err != nil {
			return err
		}
		n, err := syscall.Write(c.fd, b)
		if err != nil && err != syscall.EINTR {
			return inTime(err)
		}
		b = b[max(n, 0):]
	}
	return nil
}

// response reads until the response is complete.
func (c *conn) response() (response, error) {
	buffer := make([]byte, maxResponse)
	n := 0
	for {
		if err := c.limit(syscall.SO_RCVTIMEO); err != nil {
			return response{}, err
		}
		got, err := syscall.Read(c.fd, buffer[n:])
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			return response{}, inTime(err)
		}
		n += got
		r, err := parseResponse(buffer[:n], got == 0)
		switch {
		case err != errShort:
			return r, err
		case n == len(buffer):
			return response{}, errLong
		case got == 0:
			return response{}, errors.New("the response ends too early")
		}
	}
}
