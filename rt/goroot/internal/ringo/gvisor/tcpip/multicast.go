//go:build ringo

package tcpip

// V4Multicast reports whether the address is an IPv4 multicast one, without a call.
func (a Address) V4Multicast() bool { return a.length == 4 && a.addr[0]&0xf0 == 0xe0 }

// V6Multicast reports whether the address is an IPv6 multicast one, without a call.
func (a Address) V6Multicast() bool { return a.length == 16 && a.addr[0] == 0xff }
