package netstack

import (
	"cmp"
	"slices"
	"syscall"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// iface is an interface as programs see it: by netlink, ioctl and /proc.
type iface struct {
	index   int
	name    string
	mac     []byte // six bytes, zero for the loopback
	mtu     uint32
	flags   uint32 // IFF_*
	arpType uint16 // ARPHRD_*
	addrs   []tcpip.AddressWithPrefix
	stats   *tcpip.NICStats
}

// iffLowerUp is IFF_LOWER_UP of linux/if.h.
const iffLowerUp = 0x10000

// interfaces lists the interfaces by index.
func (n *Stack) interfaces() []iface {
	n.useIPv6()
	var list []iface
	for id, info := range n.ip.NICInfo() {
		list = append(list, newIface(id, &info))
	}
	slices.SortFunc(list, func(a, b iface) int { return cmp.Compare(a.index, b.index) })
	return list
}

func newIface(id tcpip.NICID, info *stack.NICInfo) iface {
	i := iface{
		index:   int(id),
		name:    info.Name,
		mac:     make([]byte, header.EthernetAddressSize),
		mtu:     info.MTU,
		flags:   syscall.IFF_MULTICAST | syscall.IFF_BROADCAST,
		arpType: uint16(info.ARPHardwareType),
		stats:   &info.Stats,
	}
	copy(i.mac, info.LinkAddress)
	if info.Flags.Loopback {
		i.flags = syscall.IFF_LOOPBACK
	}
	if info.Flags.Up {
		i.flags |= syscall.IFF_UP | iffLowerUp
	}
	if info.Flags.Running {
		i.flags |= syscall.IFF_RUNNING
	}
	for _, a := range info.ProtocolAddresses {
		if a.Protocol == header.IPv4ProtocolNumber || a.Protocol == header.IPv6ProtocolNumber {
			i.addrs = append(i.addrs, a.AddressWithPrefix)
		}
	}
	return i
}

// first4 returns the interface's first IPv4 address.
func (i *iface) first4() (tcpip.AddressWithPrefix, bool) {
	for _, a := range i.addrs {
		if a.Address.Len() == 4 {
			return a, true
		}
	}
	return tcpip.AddressWithPrefix{}, false
}

// hasBroadcast reports whether the interface has broadcast addresses.
func (i *iface) hasBroadcast() bool { return i.flags&syscall.IFF_BROADCAST != 0 }
