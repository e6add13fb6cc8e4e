package netstack

import (
	"encoding/binary"
	"syscall"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"

	"ringo.dev/ringo/kernel"
)

// Sizes of Linux's struct sockaddr_in, sockaddr_in6 and sockaddr_nl. A
// sockaddr_in6 without its scope, as RFC 2133 had it, is accepted too.
const (
	sockaddrInSize     = 16
	sockaddrIn6Size    = 28
	sockaddrIn6MinSize = 24
	sockaddrNLSize     = 12
)

// mappedPrefix begins an IPv4 address in IPv6 form (RFC 4291, 2.5.5.2).
var mappedPrefix = [12]byte{10: 0xff, 11: 0xff}

// parseSockaddr reads a sockaddr of family AF_INET, AF_INET6 or AF_UNSPEC. The
// unspecified address becomes the empty one, as the stack has it.
func parseSockaddr(b []byte) (addr tcpip.FullAddress, family int, err kernel.Errno) {
	if len(b) < 2 {
		return addr, 0, syscall.EINVAL
	}
	family = int(binary.NativeEndian.Uint16(b))
	switch family {
	case syscall.AF_UNSPEC:
		return addr, family, 0
	case syscall.AF_INET:
		if len(b) < sockaddrInSize {
			return addr, family, syscall.EINVAL
		}
		addr.Port = binary.BigEndian.Uint16(b[2:])
		addr.Addr = addressFrom4(b[4:8])
		return addr, family, 0
	case syscall.AF_INET6:
		if len(b) < sockaddrIn6MinSize {
			return addr, family, syscall.EINVAL
		}
		addr.Port = binary.BigEndian.Uint16(b[2:])
		ip := [16]byte(b[8:24])
		if ip != [16]byte{} {
			addr.Addr = tcpip.AddrFrom16(ip)
		}
		if len(b) >= sockaddrIn6Size && needsScope(ip) {
			addr.NIC = tcpip.NICID(binary.NativeEndian.Uint32(b[24:]))
		}
		return addr, family, 0
	}
	return addr, family, syscall.EAFNOSUPPORT
}

// addressFrom4 returns the address in b, or the empty one for 0.0.0.0.
func addressFrom4(b []byte) tcpip.Address {
	ip := [4]byte(b)
	if ip == [4]byte{} {
		return tcpip.Address{}
	}
	return tcpip.AddrFrom4(ip)
}

// needsScope reports whether ip is link-local: only then is its scope ID an
// interface.
func needsScope(ip [16]byte) bool {
	return ip[0] == 0xfe && ip[1]&0xc0 == 0x80 || ip[0] == 0xff && (ip[1]&0xf == 1 || ip[1]&0xf == 2)
}

// mapTo16 gives an IPv4 address its IPv6 form.
func mapTo16(a tcpip.Address) tcpip.Address {
	var ip [16]byte
	copy(ip[:], mappedPrefix[:])
	if a.Len() == 4 {
		v4 := a.As4()
		copy(ip[12:], v4[:])
	}
	return tcpip.AddrFrom16(ip)
}

// sockaddrOf returns addr as a sockaddr of the family.
func sockaddrOf(family int, addr tcpip.FullAddress) []byte {
	return appendSockaddr(make([]byte, 0, sockaddrIn6Size), family, addr)
}

// appendSockaddr appends addr as a sockaddr of the family.
func appendSockaddr(b []byte, family int, addr tcpip.FullAddress) []byte {
	b = binary.NativeEndian.AppendUint16(b, uint16(family))
	b = binary.BigEndian.AppendUint16(b, addr.Port)
	if family == syscall.AF_INET {
		var ip [4]byte
		switch addr.Addr.Len() {
		case 4:
			ip = addr.Addr.As4()
		case 16:
			v6 := addr.Addr.As16()
			copy(ip[:], v6[12:])
		}
		b = append(b, ip[:]...)
		return append(b, make([]byte, 8)...)
	}
	var ip [16]byte
	switch addr.Addr.Len() {
	case 4:
		mapped := mapTo16(addr.Addr)
		ip = mapped.As16()
	case 16:
		ip = addr.Addr.As16()
	}
	b = append(b, 0, 0, 0, 0) // flow information
	b = append(b, ip[:]...)
	var scope uint32
	if needsScope(ip) {
		scope = uint32(addr.NIC)
	}
	return binary.NativeEndian.AppendUint32(b, scope)
}

// isUnspec reports whether b, of at least two bytes, is an AF_UNSPEC sockaddr.
func isUnspec(b []byte) bool { return binary.NativeEndian.Uint16(b) == syscall.AF_UNSPEC }

// netProtoOf returns the protocol of an address.
func netProtoOf(a tcpip.Address) tcpip.NetworkProtocolNumber {
	if a.Len() == 16 {
		return ipv6.ProtocolNumber
	}
	return ipv4.ProtocolNumber
}
