package load

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// patience is how long a client waits for an answer.
const patience = 30 * time.Second

// HTTP fetches one page again and again, with as little work as possible on
// the client's side: it shares the CPUs with what it measures.
type HTTP struct {
	Addr      string // host:port
	Path      string
	Want      string // the page
	KeepAlive bool   // one connection for all requests, not one for each

	conn   net.Conn
	reader *bufio.Reader
	body   []byte
}

// Use makes the next request over a connection to Addr that the caller has made, and
// gives up.
func (h *HTTP) Use(conn net.Conn) {
	h.Close()
	h.conn, h.reader = conn, bufio.NewReader(conn)
}

// Do makes one request.
func (h *HTTP) Do() error {
	err := h.do()
	if err != nil || !h.KeepAlive {
		h.Close()
	}
	return err
}

func (h *HTTP) do() error {
	if h.conn == nil {
		conn, err := net.DialTimeout("tcp", h.Addr, patience)
		if err != nil {
			return err
		}
		h.Use(conn)
	}
	if err := h.conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	request := "GET " + h.Path + " HTTP/1.1\r\nHost: " + h.Addr + "\r\n"
	if !h.KeepAlive {
		request += "Connection: close\r\n"
	}
	if _, err := io.WriteString(h.conn, request+"\r\n"); err != nil {
		return err
	}
	n, err := readHeader(h.reader)
	if err != nil {
		return err
	}
	if cap(h.body) < n {
		h.body = make([]byte, n)
	}
	h.body = h.body[:n]
	if _, err := io.ReadFull(h.reader, h.body); err != nil {
		return err
	}
	if string(h.body) != h.Want {
		return fmt.Errorf("got %q, want %q", h.body, h.Want)
	}
	return nil
}

// readHeader reads the header of an answer, which has to be 200, and returns
// the length of what follows.
func readHeader(r *bufio.Reader) (length int, err error) {
	const maxLength = 1 << 20
	length = -1
	for first := true; ; first = false {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return 0, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if first {
			if !bytes.HasPrefix(line, []byte("HTTP/1.1 200 ")) {
				return 0, fmt.Errorf("answer %q", line)
			}
			continue
		}
		if len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(": "))
		if bytes.EqualFold(name, []byte("Content-Length")) {
			if length, err = strconv.Atoi(string(value)); err != nil {
				return 0, err
			}
		}
	}
	if length < 0 || length > maxLength {
		return 0, fmt.Errorf("an answer of length %d", length)
	}
	return length, nil
}

// Close ends the connection, if there is one.
func (h *HTTP) Close() error {
	if h.conn == nil {
		return nil
	}
	err := h.conn.Close()
	h.conn = nil
	return err
}

// UDP sends datagrams to an echo service, and waits for each to come back.
type UDP struct {
	Conn net.Conn
	Size int // at least 10

	count   uint32
	out, in []byte
}

// Do sends one datagram. Late answers to earlier ones are passed over.
func (u *UDP) Do() error {
	if u.out == nil {
		u.out, u.in = make([]byte, u.Size), make([]byte, u.Size+1)
	}
	u.count++
	mark := strconv.AppendUint(u.out[:0], uint64(u.count), 10)
	copy(u.out[len(mark):], "                    ")
	if _, err := u.Conn.Write(u.out); err != nil {
		return err
	}
	if err := u.Conn.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
		return err
	}
	for {
		n, err := u.Conn.Read(u.in)
		if err != nil {
			return err
		}
		if bytes.Equal(u.in[:n], u.out) {
			return nil
		}
	}
}

// Close closes the socket.
func (u *UDP) Close() error { return u.Conn.Close() }
