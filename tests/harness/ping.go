package harness

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"time"
)

// Ping sends an ICMP echo request with n bytes of data and waits for the answer
// (RFC 792). It takes the right to open raw sockets.
func Ping(addr string, n int, timeout time.Duration) error {
	c, err := net.ListenPacket("ip4:icmp", "0.0.0.0")
	if err != nil {
		return err
	}
	defer c.Close()
	to, err := net.ResolveIPAddr("ip4", addr)
	if err != nil {
		return err
	}
	const (
		echoReply, echoRequest = 0, 8
		header                 = 8
	)
	request := make([]byte, header+n)
	request[0] = echoRequest
	binary.BigEndian.PutUint16(request[4:], uint16(n)) // identifier
	for i := range request[header:] {
		request[header+i] = byte(i)
	}
	binary.BigEndian.PutUint16(request[2:], checksum(request))
	if _, err := c.WriteTo(request, to); err != nil {
		return err
	}
	if err := c.SetReadDeadline(time.Now().Add(timeout)); err != nil {
		return err
	}
	reply := make([]byte, 1<<16)
	for {
		got, _, err := c.ReadFrom(reply)
		if err != nil {
			return fmt.Errorf("ping of %s with %d bytes: %w", addr, n, err)
		}
		if got == len(request) && reply[0] == echoReply && bytes.Equal(reply[4:got], request[4:]) && checksum(reply[:got]) == 0 {
			return nil
		}
	}
}

// checksum is the one of the Internet protocols (RFC 1071).
func checksum(b []byte) uint16 {
	var sum uint32
	for i, x := range b {
		if i%2 == 0 {
			sum += uint32(x) << 8
		} else {
			sum += uint32(x)
		}
	}
	for sum>>16 != 0 {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
