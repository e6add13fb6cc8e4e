package netstack

import (
	"encoding/binary"
	"math"
	"syscall"

	"gvisor.dev/gvisor/pkg/tcpip"

	"ringo.dev/ringo/kernel"
)

// Attributes of linux/if_link.h, if_addr.h and rtnetlink.h that package
// syscall lacks.
const (
	iflaOperState = 0x10
	iflaTxQLen    = 0xd
	ifaFlags      = 8
	operUp        = 6
	rtTableMain   = 254
	rtProtoBoot   = 3
	txQueueLen    = 1000
	ifaPermanent  = 0x80
)

// nlAlign rounds up to the alignment of messages and of attributes.
func nlAlign(n int) int { return (n + syscall.NLMSG_ALIGNTO - 1) &^ (syscall.NLMSG_ALIGNTO - 1) }

// answer answers one request, whose header says its length. s.mu is held.
func (s *routeSocket) answer(req []byte) {
	typ := binary.NativeEndian.Uint16(req[4:])
	flags := binary.NativeEndian.Uint16(req[6:])
	if flags&syscall.NLM_F_REQUEST == 0 || typ < syscall.NLMSG_MIN_TYPE {
		return
	}
	body := req[syscall.NLMSG_HDRLEN:]
	w := &dump{s: s, seq: binary.NativeEndian.Uint32(req[8:])}
	var family byte // AF_UNSPEC: all
	if len(body) > 0 {
		family = body[0]
	}
	all := flags&syscall.NLM_F_DUMP == syscall.NLM_F_DUMP
	if all {
		w.flags = syscall.NLM_F_MULTI
	}
	var err kernel.Errno
	switch typ {
	case syscall.RTM_GETLINK:
		err = s.links(w, body, all)
	case syscall.RTM_GETADDR:
		s.addresses(w, family)
	case syscall.RTM_GETROUTE:
		err = s.routes(w, family, body, all)
	case syscall.RTM_GETNEIGH, syscall.RTM_GETRULE, syscall.RTM_GETQDISC, syscall.RTM_GETTCLASS, syscall.RTM_GETTFILTER:
		// There are none to show.
	default:
		err = syscall.EOPNOTSUPP
	}
	switch {
	case err != 0 || flags&syscall.NLM_F_ACK != 0 && !all:
		w.fail(err, req)
	case all:
		w.begin(syscall.NLMSG_DONE)
		w.uint32(0)
		w.end()
	}
	w.flush()
}

// links answers RTM_GETLINK: one interface by index or name, or all.
func (s *routeSocket) links(w *dump, body []byte, all bool) kernel.Errno {
	index, name := int32(0), ""
	if !all {
		if len(body) < syscall.SizeofIfInfomsg {
			return syscall.EINVAL
		}
		index = int32(binary.NativeEndian.Uint32(body[4:]))
		name = cString(findAttr(body[syscall.SizeofIfInfomsg:], syscall.IFLA_IFNAME))
	}
	found := all
	for _, i := range s.net.interfaces() {
		if all || int(index) == i.index || index == 0 && name == i.name {
			found = true
			w.link(&i)
		}
	}
	if !found {
		return syscall.ENODEV
	}
	return 0
}

// addresses answers RTM_GETADDR.
func (s *routeSocket) addresses(w *dump, family byte) {
	for _, i := range s.net.interfaces() {
		for _, a := range i.addrs {
			if f := addrFamily(a.Address); family == syscall.AF_UNSPEC || family == f {
				w.address(&i, a, f)
			}
		}
	}
}

// routes answers RTM_GETROUTE: the whole table, or the entry for a destination.
func (s *routeSocket) routes(w *dump, family byte, body []byte, all bool) kernel.Errno {
	var dst tcpip.Address
	if !all {
		if len(body) < syscall.SizeofRtMsg {
			return syscall.EINVAL
		}
		b := findAttr(body[syscall.SizeofRtMsg:], syscall.RTA_DST)
		if len(b) != 4 && len(b) != 16 {
			return syscall.EINVAL
		}
		dst = tcpip.AddrFromSlice(b)
	}
	for _, r := range s.net.ip.GetRouteTable() {
		f := addrFamily(r.Destination.ID())
		if family != syscall.AF_UNSPEC && family != f {
			continue
		}
		if all {
			w.route(&r, f)
		} else if r.Destination.Contains(dst) {
			w.route(&r, f)
			return 0
		}
	}
	if !all {
		return syscall.ENETUNREACH
	}
	return 0
}

func addrFamily(a tcpip.Address) byte {
	if a.Len() == 16 {
		return syscall.AF_INET6
	}
	return syscall.AF_INET
}

// findAttr returns the value of the first attribute of a type, or nil.
func findAttr(b []byte, typ uint16) []byte {
	for len(b) >= syscall.SizeofRtAttr {
		size := int(binary.NativeEndian.Uint16(b))
		if size < syscall.SizeofRtAttr || size > len(b) {
			return nil
		}
		if binary.NativeEndian.Uint16(b[2:]) == typ {
			return b[syscall.SizeofRtAttr:size]
		}
		b = b[min(nlAlign(size), len(b)):]
	}
	return nil
}

// cString returns the text before the first NUL.
func cString(b []byte) string {
	for i, c := range b {
		if c == 0 {
			return string(b[:i])
		}
	}
	return string(b)
}

// dump writes the messages that answer one request into datagrams.
type dump struct {
	s     *routeSocket
	seq   uint32
	flags uint16
	b     []byte // the datagram
	start int    // where the current message begins in b
}

// begin starts a message.
func (w *dump) begin(typ uint16) {
	w.start = len(w.b)
	w.uint32(0) // the length: see end
	w.uint16(typ)
	w.uint16(w.flags)
	w.uint32(w.seq)
	w.uint32(w.s.port)
}

// end ends the message. One that no longer fits the datagram begins another.
func (w *dump) end() {
	m := w.b[w.start:]
	binary.NativeEndian.PutUint32(m, uint32(len(m)))
	for len(w.b)%syscall.NLMSG_ALIGNTO != 0 {
		w.b = append(w.b, 0)
	}
	if len(w.b) > netlinkDatagram && w.start > 0 {
		last := w.b[w.start:]
		w.b = w.b[:w.start:w.start]
		w.flush()
		w.b = last
	}
}

// flush queues the datagram.
func (w *dump) flush() {
	if len(w.b) > 0 && len(w.s.replies) < netlinkBacklog {
		w.s.replies = append(w.s.replies, w.b)
	}
	w.b = nil
}

func (w *dump) uint16(v uint16) { w.b = binary.NativeEndian.AppendUint16(w.b, v) }
func (w *dump) uint32(v uint32) { w.b = binary.NativeEndian.AppendUint32(w.b, v) }
func (w *dump) bytes(v ...byte) { w.b = append(w.b, v...) }

// attr writes an attribute.
func (w *dump) attr(typ uint16, value []byte) {
	w.uint16(uint16(syscall.SizeofRtAttr + len(value)))
	w.uint16(typ)
	w.bytes(value...)
	for (len(w.b)-w.start)%syscall.NLMSG_ALIGNTO != 0 {
		w.bytes(0)
	}
}

func (w *dump) attr32(typ uint16, v uint32) {
	w.attr(typ, binary.NativeEndian.AppendUint32(nil, v))
}

// fail writes an NLMSG_ERROR for req; err 0 is an acknowledgement.
func (w *dump) fail(err kernel.Errno, req []byte) {
	w.flags = 0
	w.begin(syscall.NLMSG_ERROR)
	w.uint32(uint32(-int32(err)))
	if err == 0 {
		req = req[:syscall.NLMSG_HDRLEN]
	}
	w.bytes(req...)
	w.end()
}

func (w *dump) link(i *iface) {
	w.begin(syscall.RTM_NEWLINK)
	w.bytes(syscall.AF_UNSPEC, 0)
	w.uint16(i.arpType)
	w.uint32(uint32(i.index))
	w.uint32(i.flags)
	w.uint32(math.MaxUint32) // change mask
	w.attr(syscall.IFLA_IFNAME, append([]byte(i.name), 0))
	w.attr32(iflaTxQLen, txQueueLen)
	w.attr(iflaOperState, []byte{operUp})
	w.attr32(syscall.IFLA_MTU, i.mtu)
	w.attr(syscall.IFLA_ADDRESS, i.mac)
	if i.hasBroadcast() {
		w.attr(syscall.IFLA_BROADCAST, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	}
	w.end()
}

func (w *dump) address(i *iface, a tcpip.AddressWithPrefix, family byte) {
	w.begin(syscall.RTM_NEWADDR)
	w.bytes(family, byte(a.PrefixLen), ifaPermanent, scope(a.Address))
	w.uint32(uint32(i.index))
	w.attr(syscall.IFA_ADDRESS, a.Address.AsSlice())
	w.attr(syscall.IFA_LOCAL, a.Address.AsSlice())
	w.attr(syscall.IFA_LABEL, append([]byte(i.name), 0))
	if family == syscall.AF_INET && i.hasBroadcast() {
		subnet := a.Subnet()
		broadcast := subnet.Broadcast()
		w.attr(syscall.IFA_BROADCAST, broadcast.AsSlice())
	}
	w.attr32(ifaFlags, ifaPermanent)
	w.end()
}

// scope is how far an address is valid (RT_SCOPE_*).
func scope(a tcpip.Address) byte {
	switch {
	case isLoopback(a):
		return syscall.RT_SCOPE_HOST
	case isLinkLocal(a):
		return syscall.RT_SCOPE_LINK
	}
	return syscall.RT_SCOPE_UNIVERSE
}

// isLinkLocal reports whether a is of fe80::/10 or 169.254.0.0/16.
func isLinkLocal(a tcpip.Address) bool {
	if a.Len() == 16 {
		return needsScope(a.As16())
	}
	b := a.As4()
	return b[0] == 169 && b[1] == 254
}

func (w *dump) route(r *tcpip.Route, family byte) {
	dst := r.Destination.ID()
	reach := byte(syscall.RT_SCOPE_LINK)
	if r.Gateway.Len() > 0 {
		reach = syscall.RT_SCOPE_UNIVERSE
	}
	w.begin(syscall.RTM_NEWROUTE)
	w.bytes(family, byte(r.Destination.Prefix()), 0, 0) // source prefix, type of service
	w.bytes(rtTableMain, rtProtoBoot, reach, syscall.RTN_UNICAST)
	w.uint32(0)
	w.attr32(syscall.RTA_TABLE, rtTableMain)
	if r.Destination.Prefix() > 0 {
		w.attr(syscall.RTA_DST, dst.AsSlice())
	}
	if r.Gateway.Len() > 0 {
		w.attr(syscall.RTA_GATEWAY, r.Gateway.AsSlice())
	}
	w.attr32(syscall.RTA_OIF, uint32(r.NIC))
	w.end()
}
