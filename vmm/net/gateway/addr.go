package gateway

import (
	"errors"
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// These convert between net/netip and the stack's types.

func fromAddr(a netip.Addr) tcpip.Address { return tcpip.AddrFromSlice(a.AsSlice()) }

func toAddr(a tcpip.Address) netip.Addr {
	n, _ := netip.AddrFromSlice(a.AsSlice())
	return n
}

func fromAddrPort(a netip.AddrPort) tcpip.FullAddress {
	return tcpip.FullAddress{NIC: nicID, Addr: fromAddr(a.Addr()), Port: a.Port()}
}

func protocolOf(a netip.Addr) tcpip.NetworkProtocolNumber {
	if a.Is4() {
		return header.IPv4ProtocolNumber
	}
	return header.IPv6ProtocolNumber
}

// stackError makes an error of a stack's error.
func stackError(err tcpip.Error) error {
	if err == nil {
		return nil
	}
	return errors.New(err.String())
}

// ours reports whether a is one of the gateway's own addresses.
func ours(a netip.Addr) bool {
	switch a {
	case Router4, DNS4, Router6, DNS6, routerLL:
		return true
	}
	return false
}

// onHost returns where on the host a connection of the guest to a leads: the
// router's address stands for the host itself.
func onHost(a netip.AddrPort) netip.AddrPort {
	switch a.Addr() {
	case Router4:
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), a.Port())
	case Router6:
		return netip.AddrPortFrom(netip.IPv6Loopback(), a.Port())
	}
	return a
}

// fromGuest returns where the guest reaches the host's loopback address a.
func fromGuest(a netip.Addr) netip.Addr {
	if a.Is4() {
		return Router4
	}
	return Router6
}
