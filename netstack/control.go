package netstack

import (
	"encoding/binary"
	"syscall"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"

	"ringo.dev/ringo/kernel"
)

// Ancillary data, struct cmsghdr (cmsg(3)): length, level, type, data, padded
// to eight bytes.
const (
	cmsgHeader = 16
	cmsgAlign  = 8
)

// Numbers of linux/in.h, linux/in6.h and linux/errqueue.h that package syscall
// lacks.
const (
	ipRecvOrigDstAddr = 20
	ipv6RecvErr       = 25
	ipv6HopLimit      = 52
	ipv6OrigDstAddr   = 74
)

// parseControl reads what a sender says about one message: time to live and
// the interface. A source address in IP_PKTINFO, and a type of service, are the
// stack's to choose and accepted without effect.
func (s *socket) parseControl(b []byte, out *tcpip.SendableControlMessages) (nic tcpip.NICID, err kernel.Errno) {
	for len(b) >= cmsgHeader {
		size := binary.NativeEndian.Uint64(b)
		if size < cmsgHeader || size > uint64(len(b)) {
			return 0, syscall.EINVAL
		}
		level := int(int32(binary.NativeEndian.Uint32(b[8:])))
		typ := int(int32(binary.NativeEndian.Uint32(b[12:])))
		data := b[cmsgHeader:size]
		switch {
		case level == syscall.SOL_SOCKET:
			return 0, syscall.EINVAL // descriptors and credentials are for AF_UNIX
		case level == syscall.IPPROTO_IP && typ == syscall.IP_TTL:
			v, err := byteOrInt(data)
			if err != 0 || v < 1 || v > 255 {
				return 0, syscall.EINVAL
			}
			out.HasTTL, out.TTL = true, uint8(v)
		case level == syscall.IPPROTO_IP && typ == syscall.IP_PKTINFO:
			if len(data) < syscall.SizeofInet4Pktinfo {
				return 0, syscall.EINVAL
			}
			nic = tcpip.NICID(binary.NativeEndian.Uint32(data))
		case level == syscall.IPPROTO_IPV6 && typ == ipv6HopLimit:
			v, err := byteOrInt(data)
			if err != 0 || v < -1 || v > 255 {
				return 0, syscall.EINVAL
			}
			if v >= 0 {
				out.HasHopLimit, out.HopLimit = true, uint8(v)
			}
		case level == syscall.IPPROTO_IPV6 && typ == syscall.IPV6_PKTINFO:
			if len(data) < syscall.SizeofInet6Pktinfo {
				return 0, syscall.EINVAL
			}
			nic = tcpip.NICID(binary.NativeEndian.Uint32(data[16:]))
			out.HasIPv6PacketInfo = true
			out.IPv6PacketInfo.NIC = nic
			if ip := [16]byte(data[:16]); ip != [16]byte{} {
				out.IPv6PacketInfo.Addr = tcpip.AddrFrom16(ip)
			}
		}
		next := (size + cmsgAlign - 1) &^ (cmsgAlign - 1)
		if next >= uint64(len(b)) {
			break
		}
		b = b[next:]
	}
	return nic, 0
}

// byteOrInt reads an option's value, which Linux takes as an int or as a byte.
func byteOrInt(b []byte) (int, kernel.Errno) {
	switch {
	case len(b) >= 4:
		return int(int32(binary.NativeEndian.Uint32(b))), 0
	case len(b) >= 1:
		return int(b[0]), 0
	}
	return 0, syscall.EINVAL
}

// controlWriter stores ancillary data in a caller's buffer, cutting off what
// does not fit, as Linux's put_cmsg does.
type controlWriter struct {
	b         []byte
	n         int
	truncated bool
}

func (c *controlWriter) put(level, typ int, data []byte) {
	free := c.b[c.n:]
	if len(free) < cmsgHeader {
		c.truncated = true
		return
	}
	size := cmsgHeader + len(data)
	if size > len(free) {
		c.truncated = true
		size = len(free)
	}
	binary.NativeEndian.PutUint64(free, uint64(size))
	binary.NativeEndian.PutUint32(free[8:], uint32(level))
	binary.NativeEndian.PutUint32(free[12:], uint32(typ))
	copy(free[cmsgHeader:size], data)
	padded := min((size+cmsgAlign-1)&^(cmsgAlign-1), len(free))
	clear(free[size:padded])
	c.n += padded
}

func (c *controlWriter) putInt(level, typ int, v uint32) {
	var b [4]byte
	binary.NativeEndian.PutUint32(b[:], v)
	c.put(level, typ, b[:])
}

// appendControl stores what the stack says about a received message.
func (s *socket) appendControl(w *controlWriter, cm *tcpip.ReceivableControlMessages) {
	if cm.HasTimestamp && s.opts.timestamp.Load() != timestampOff {
		s.putTimestamp(w, cm)
	}
	if cm.HasTOS {
		w.put(syscall.IPPROTO_IP, syscall.IP_TOS, []byte{cm.TOS})
	}
	if cm.HasTTL {
		w.putInt(syscall.IPPROTO_IP, syscall.IP_TTL, uint32(cm.TTL))
	}
	if cm.HasIPPacketInfo {
		var b [syscall.SizeofInet4Pktinfo]byte
		binary.NativeEndian.PutUint32(b[:], uint32(cm.PacketInfo.NIC))
		copy(b[4:8], cm.PacketInfo.LocalAddr.AsSlice())
		copy(b[8:12], cm.PacketInfo.DestinationAddr.AsSlice())
		w.put(syscall.IPPROTO_IP, syscall.IP_PKTINFO, b[:])
	}
	if cm.HasTClass {
		w.putInt(syscall.IPPROTO_IPV6, syscall.IPV6_TCLASS, cm.TClass)
	}
	if cm.HasHopLimit {
		w.putInt(syscall.IPPROTO_IPV6, ipv6HopLimit, uint32(cm.HopLimit))
	}
	if cm.HasIPv6PacketInfo {
		var b [syscall.SizeofInet6Pktinfo]byte
		copy(b[:16], cm.IPv6PacketInfo.Addr.AsSlice())
		binary.NativeEndian.PutUint32(b[16:], uint32(cm.IPv6PacketInfo.NIC))
		w.put(syscall.IPPROTO_IPV6, syscall.IPV6_PKTINFO, b[:])
	}
	if cm.HasOriginalDstAddress {
		var b [sockaddrIn6Size]byte
		if s.family == syscall.AF_INET {
			w.put(syscall.IPPROTO_IP, ipRecvOrigDstAddr, appendSockaddr(b[:0], s.family, cm.OriginalDstAddress))
		} else {
			w.put(syscall.IPPROTO_IPV6, ipv6OrigDstAddr, appendSockaddr(b[:0], s.family, cm.OriginalDstAddress))
		}
	}
}

// putTimestamp stores when a message arrived, in the form asked for.
func (s *socket) putTimestamp(w *controlWriter, cm *tcpip.ReceivableControlMessages) {
	var b [16]byte
	sec, nsec := uint64(cm.Timestamp.Unix()), uint64(cm.Timestamp.Nanosecond())
	binary.NativeEndian.PutUint64(b[:], sec)
	if s.opts.timestamp.Load() == timestampNano {
		binary.NativeEndian.PutUint64(b[8:], nsec)
		w.put(syscall.SOL_SOCKET, syscall.SO_TIMESTAMPNS, b[:])
		return
	}
	binary.NativeEndian.PutUint64(b[8:], nsec/1000)
	w.put(syscall.SOL_SOCKET, syscall.SO_TIMESTAMP, b[:])
}

// receiveError takes an entry from the error queue (MSG_ERRQUEUE): the packet
// that caused it as data, its destination as name, and a sock_extended_err.
func (s *socket) receiveError(m *kernel.Message) (int, kernel.Errno) {
	so := s.ep.SocketOptions()
	e := so.DequeueErr()
	if e == nil {
		return 0, syscall.EAGAIN
	}
	if e.Payload != nil {
		defer e.Payload.Release()
	}
	// SO_ERROR shows the next error, or none if there is no other.
	if next := so.PeekErr(); next != nil && next.Cause.Origin().IsICMPErr() {
		so.SetLastError(next.Err)
	} else if e.Cause.Origin().IsICMPErr() {
		so.SetLastError(nil)
	}

	s.in.mu.Lock()
	s.in.w.set(nil, m.Data)
	n := 0
	m.Flags = syscall.MSG_ERRQUEUE
	if e.Payload != nil {
		var short error
		if n, short = s.in.w.Write(e.Payload.AsSlice()); short != nil {
			m.Flags |= syscall.MSG_TRUNC
		}
	}
	s.in.w.clear()
	s.in.mu.Unlock()
	if len(m.Name) > 0 {
		m.NameLen = s.storeAddress(m.Name, e.Dst)
	}

	level, typ, family := syscall.IPPROTO_IPV6, ipv6RecvErr, syscall.AF_INET6
	if e.NetProto == ipv4.ProtocolNumber {
		level, typ, family = syscall.IPPROTO_IP, syscall.IP_RECVERR, syscall.AF_INET
	}
	var b [16 + sockaddrIn6Size]byte
	binary.NativeEndian.PutUint32(b[0:], uint32(errnoOf(e.Err)))
	b[4] = byte(e.Cause.Origin())
	b[5] = e.Cause.Type()
	b[6] = e.Cause.Code()
	binary.NativeEndian.PutUint32(b[8:], e.Cause.Info())
	w := controlWriter{b: m.Control}
	w.put(level, typ, appendSockaddr(b[:16], family, e.Offender))
	m.ControlLen = w.n
	if w.truncated {
		m.Flags |= syscall.MSG_CTRUNC
	}
	return n, 0
}
