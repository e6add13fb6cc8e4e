package netstack

import (
	"syscall"

	"gvisor.dev/gvisor/pkg/tcpip"
)

// flag is an option that is on or off and that the endpoint keeps. The others
// have cases of their own in the functions of their level.
type flag struct {
	name int
	set  func(*tcpip.SocketOptions, bool)
	get  func(*tcpip.SocketOptions) bool
}

type flags []flag

// find returns the flag of that name, or nil.
func (all flags) find(name int) *flag {
	for i := range all {
		if all[i].name == name {
			return &all[i]
		}
	}
	return nil
}

var socketFlags = flags{
	{syscall.SO_REUSEADDR, (*tcpip.SocketOptions).SetReuseAddress, (*tcpip.SocketOptions).GetReuseAddress},
	{soReusePort, (*tcpip.SocketOptions).SetReusePort, (*tcpip.SocketOptions).GetReusePort},
	{syscall.SO_BROADCAST, (*tcpip.SocketOptions).SetBroadcast, (*tcpip.SocketOptions).GetBroadcast},
	{syscall.SO_KEEPALIVE, (*tcpip.SocketOptions).SetKeepAlive, (*tcpip.SocketOptions).GetKeepAlive},
	{syscall.SO_OOBINLINE, (*tcpip.SocketOptions).SetOutOfBandInline, (*tcpip.SocketOptions).GetOutOfBandInline},
	{syscall.SO_NO_CHECK, (*tcpip.SocketOptions).SetNoChecksum, (*tcpip.SocketOptions).GetNoChecksum},
	{syscall.SO_PASSCRED, (*tcpip.SocketOptions).SetPassCred, (*tcpip.SocketOptions).GetPassCred},
}

var ipFlags = flags{
	{syscall.IP_MULTICAST_LOOP, (*tcpip.SocketOptions).SetMulticastLoop, (*tcpip.SocketOptions).GetMulticastLoop},
	{syscall.IP_RECVTTL, (*tcpip.SocketOptions).SetReceiveTTL, (*tcpip.SocketOptions).GetReceiveTTL},
	{syscall.IP_RECVTOS, (*tcpip.SocketOptions).SetReceiveTOS, (*tcpip.SocketOptions).GetReceiveTOS},
	{syscall.IP_PKTINFO, (*tcpip.SocketOptions).SetReceivePacketInfo, (*tcpip.SocketOptions).GetReceivePacketInfo},
	{ipRecvOrigDstAddr, (*tcpip.SocketOptions).SetReceiveOriginalDstAddress, (*tcpip.SocketOptions).GetReceiveOriginalDstAddress},
	{syscall.IP_RECVERR, (*tcpip.SocketOptions).SetIPv4RecvError, (*tcpip.SocketOptions).GetIPv4RecvError},
	{syscall.IP_HDRINCL, (*tcpip.SocketOptions).SetHeaderIncluded, (*tcpip.SocketOptions).GetHeaderIncluded},
}

var ipv6Flags = flags{
	{syscall.IPV6_MULTICAST_LOOP, (*tcpip.SocketOptions).SetMulticastLoop, (*tcpip.SocketOptions).GetMulticastLoop},
	{ipv6RecvPktInfo, (*tcpip.SocketOptions).SetIPv6ReceivePacketInfo, (*tcpip.SocketOptions).GetIPv6ReceivePacketInfo},
	{ipv6RecvHopLimit, (*tcpip.SocketOptions).SetReceiveHopLimit, (*tcpip.SocketOptions).GetReceiveHopLimit},
	{ipv6RecvTClass, (*tcpip.SocketOptions).SetReceiveTClass, (*tcpip.SocketOptions).GetReceiveTClass},
	{ipv6OrigDstAddr, (*tcpip.SocketOptions).SetReceiveOriginalDstAddress, (*tcpip.SocketOptions).GetReceiveOriginalDstAddress},
	{ipv6RecvErr, (*tcpip.SocketOptions).SetIPv6RecvError, (*tcpip.SocketOptions).GetIPv6RecvError},
}
