package netstack

import (
	"encoding/binary"
	"syscall"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"

	"ringo.dev/ringo/kernel"
)

// Requests of asm-generic/ioctls.h and linux/sockios.h; all can only read.
const (
	ioctlInQueue   = 0x541b // FIONREAD, SIOCINQ
	ioctlOutQueue  = 0x5411 // TIOCOUTQ, SIOCOUTQ
	ioctlName      = 0x8910
	ioctlConf      = 0x8912
	ioctlFlags     = 0x8913
	ioctlAddr      = 0x8915
	ioctlBroadcast = 0x8919
	ioctlNetmask   = 0x891b
	ioctlMetric    = 0x891d
	ioctlMTU       = 0x8921
	ioctlHWAddr    = 0x8927
	ioctlIndex     = 0x8933
	ioctlTxQLen    = 0x8942
)

// Sizes of struct ifreq and struct ifconf.
const (
	ifreqSize  = 40
	ifconfSize = 16
)

// Ioctl implements kernel.Socket.
func (s *socket) Ioctl(request, arg uintptr) (uintptr, kernel.Errno) {
	var o tcpip.SockOptInt
	switch request {
	case ioctlInQueue:
		if s.isStream() && tcp.EndpointState(s.ep.State()) == tcp.StateListen {
			return 0, syscall.EINVAL
		}
		o = tcpip.ReceiveQueueSizeOption
	case ioctlOutQueue:
		o = tcpip.SendQueueSizeOption
	default:
		return s.net.interfaceIoctl(request, arg)
	}
	v, terr := s.ep.GetSockOptInt(o)
	if terr != nil {
		return 0, syscall.EINVAL // the stack does not count that, or not now
	}
	b, err := kernel.User(arg, 4, true)
	if err != 0 {
		return 0, err
	}
	putInt(b, v)
	return 0, 0
}

// interfaceIoctl answers requests about interfaces (netdevice(7)); arg is the
// address of a struct ifreq or ifconf.
func (n *Stack) interfaceIoctl(request, arg uintptr) (uintptr, kernel.Errno) {
	switch request {
	case ioctlConf:
		return 0, n.interfaceConf(arg)
	case ioctlName, ioctlFlags, ioctlAddr, ioctlBroadcast, ioctlNetmask, ioctlMetric, ioctlMTU, ioctlHWAddr, ioctlIndex, ioctlTxQLen:
	default:
		return 0, syscall.ENOTTY
	}
	req, err := kernel.User(arg, ifreqSize, true)
	if err != 0 {
		return 0, err
	}
	name, index := cString(req[:ifNameSize]), int32(-1)
	if request == ioctlName {
		index = int32(binary.NativeEndian.Uint32(req[ifNameSize:]))
	}
	for _, i := range n.interfaces() {
		if request == ioctlName && int(index) == i.index || request != ioctlName && name == i.name {
			return 0, i.request(request, req)
		}
	}
	return 0, syscall.ENODEV
}

// request answers a request about the interface in a struct ifreq.
func (i *iface) request(request uintptr, req []byte) kernel.Errno {
	value := req[ifNameSize:]
	switch request {
	case ioctlName:
		clear(req[:ifNameSize])
		copy(req[:ifNameSize-1], i.name)
	case ioctlIndex:
		putInt(value, i.index)
	case ioctlFlags:
		binary.NativeEndian.PutUint16(value, uint16(i.flags))
	case ioctlMTU:
		putInt(value, int(i.mtu))
	case ioctlMetric:
		putInt(value, 0)
	case ioctlTxQLen:
		putInt(value, txQueueLen)
	case ioctlHWAddr:
		clear(value[:16])
		binary.NativeEndian.PutUint16(value, i.arpType)
		copy(value[2:], i.mac)
	default:
		a, ok := i.first4()
		if !ok {
			return syscall.EADDRNOTAVAIL
		}
		subnet := a.Subnet()
		addr := a.Address
		switch request {
		case ioctlNetmask:
			mask := subnet.Mask()
			addr = tcpip.AddrFromSlice(mask.AsSlice())
		case ioctlBroadcast:
			addr = subnet.Broadcast()
		}
		copy(value, appendSockaddr(nil, syscall.AF_INET, tcpip.FullAddress{Addr: addr}))
	}
	return 0
}

// interfaceConf answers SIOCGIFCONF: the interfaces that have IPv4 addresses.
// Without a buffer it says how much there is.
func (n *Stack) interfaceConf(arg uintptr) kernel.Errno {
	conf, err := kernel.User(arg, ifconfSize, true)
	if err != 0 {
		return err
	}
	size := int(int32(binary.NativeEndian.Uint32(conf)))
	at := uintptr(binary.NativeEndian.Uint64(conf[8:]))
	var out []byte
	for _, i := range n.interfaces() {
		for _, a := range i.addrs {
			if a.Address.Len() != 4 || at != 0 && len(out)+ifreqSize > size {
				continue
			}
			req := make([]byte, ifNameSize, ifreqSize)
			copy(req[:ifNameSize-1], i.name)
			req = appendSockaddr(req, syscall.AF_INET, tcpip.FullAddress{Addr: a.Address})
			out = append(out, req[:ifreqSize]...)
		}
	}
	if at != 0 && len(out) > 0 {
		b, err := kernel.User(at, uintptr(len(out)), true)
		if err != 0 {
			return err
		}
		copy(b, out)
	}
	putInt(conf, len(out))
	return 0
}
