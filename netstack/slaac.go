package netstack

import (
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// Duplicate address detection (RFC 4862): how often to ask, and how long to wait
// for an answer.
const (
	dadProbes  = 1
	dadTimeout = time.Second
)

// setDAD sets how often duplicate address detection asks before an interface
// gets another address.
func (n *Stack) setDAD(nic tcpip.NICID, probes uint8) {
	ep, err := n.ip.GetNetworkEndpoint(nic, ipv6.ProtocolNumber)
	if err != nil {
		return
	}
	if d, ok := ep.(stack.DuplicateAddressDetector); ok {
		d.SetDADConfigurations(stack.DADConfigurations{DupAddrDetectTransmits: probes, RetransmitTimer: dadTimeout})
	}
}

// enableIPv6 lets IPv6 begin on an interface now, which otherwise takes a while.
func (n *Stack) enableIPv6(nic tcpip.NICID) {
	if ep, err := n.ip.GetNetworkEndpoint(nic, ipv6.ProtocolNumber); err == nil {
		_ = ep.Enable() // an interface that is down stays so
	}
}

// ndpEvents receives what the stack learns from router advertisements. The
// stack calls with its locks held, so events are queued for a goroutine, which
// begins with the first.
type ndpEvents struct {
	c      chan ndpEvent
	handle func() // takes events from c
	first  sync.Once
}

// ndpEvent is one of them: a prefix on the link or a router, an address of ours,
// or name servers.
type ndpEvent struct {
	nic       tcpip.NICID
	route     tcpip.Route
	gone      bool          // the route is no longer valid
	generated tcpip.Address // made from a router's prefix, to be checked
	checked   tcpip.Address // nobody else uses it: it is ours
	dns       []tcpip.Address
}

var _ ipv6.NDPDispatcher = (*ndpEvents)(nil)

// ndpBacklog bounds the events that wait: a router that advertises more at once
// loses some.
const ndpBacklog = 64

func (e *ndpEvents) init(handle func()) {
	e.c, e.handle = make(chan ndpEvent, ndpBacklog), handle
}

func (e *ndpEvents) queue(ev ndpEvent) {
	if ev.nic == loopbackNIC {
		return // its address is there from the beginning
	}
	e.first.Do(func() { go e.handle() })
	select {
	case e.c <- ev:
	default:
	}
}

// OnDuplicateAddressDetectionResult implements ipv6.NDPDispatcher.
func (e *ndpEvents) OnDuplicateAddressDetectionResult(nic tcpip.NICID, addr tcpip.Address, r stack.DADResult) {
	if _, ok := r.(*stack.DADSucceeded); ok {
		e.queue(ndpEvent{nic: nic, checked: addr})
	}
}

// OnOffLinkRouteUpdated implements ipv6.NDPDispatcher.
func (e *ndpEvents) OnOffLinkRouteUpdated(nic tcpip.NICID, dst tcpip.Subnet, router tcpip.Address, _ header.NDPRoutePreference) {
	e.queue(ndpEvent{nic: nic, route: tcpip.Route{Destination: dst, Gateway: router, NIC: nic}})
}

// OnOffLinkRouteInvalidated implements ipv6.NDPDispatcher.
func (e *ndpEvents) OnOffLinkRouteInvalidated(nic tcpip.NICID, dst tcpip.Subnet, router tcpip.Address) {
	e.queue(ndpEvent{nic: nic, route: tcpip.Route{Destination: dst, Gateway: router, NIC: nic}, gone: true})
}

// OnOnLinkPrefixDiscovered implements ipv6.NDPDispatcher.
func (e *ndpEvents) OnOnLinkPrefixDiscovered(nic tcpip.NICID, prefix tcpip.Subnet) {
	e.queue(ndpEvent{nic: nic, route: tcpip.Route{Destination: prefix, NIC: nic}})
}

// OnOnLinkPrefixInvalidated implements ipv6.NDPDispatcher.
func (e *ndpEvents) OnOnLinkPrefixInvalidated(nic tcpip.NICID, prefix tcpip.Subnet) {
	e.queue(ndpEvent{nic: nic, route: tcpip.Route{Destination: prefix, NIC: nic}, gone: true})
}

// OnAutoGenAddress implements ipv6.NDPDispatcher. The address may be used when
// duplicate address detection is through.
func (e *ndpEvents) OnAutoGenAddress(nic tcpip.NICID, a tcpip.AddressWithPrefix) stack.AddressDispatcher {
	if !header.IsV6LinkLocalUnicastAddress(a.Address) {
		e.queue(ndpEvent{nic: nic, generated: a.Address})
	}
	return nil
}

// OnAutoGenAddressDeprecated implements ipv6.NDPDispatcher.
func (e *ndpEvents) OnAutoGenAddressDeprecated(tcpip.NICID, tcpip.AddressWithPrefix) {}

// OnAutoGenAddressInvalidated implements ipv6.NDPDispatcher.
func (e *ndpEvents) OnAutoGenAddressInvalidated(tcpip.NICID, tcpip.AddressWithPrefix) {}

// OnRecursiveDNSServerOption implements ipv6.NDPDispatcher.
func (e *ndpEvents) OnRecursiveDNSServerOption(nic tcpip.NICID, servers []tcpip.Address, lifetime time.Duration) {
	if lifetime > 0 {
		e.queue(ndpEvent{nic: nic, dns: servers})
	}
}

// OnDNSSearchListOption implements ipv6.NDPDispatcher.
func (e *ndpEvents) OnDNSSearchListOption(tcpip.NICID, []string, time.Duration) {}

// OnDHCPv6Configuration implements ipv6.NDPDispatcher. DHCPv6 is not spoken.
func (e *ndpEvents) OnDHCPv6Configuration(tcpip.NICID, ipv6.DHCPv6ConfigurationFromNDPRA) {}

// handleNDP applies the events of the cards, for ever. A network without DHCP is up
// when a router's prefix has given us an address.
func (n *Stack) handleNDP() {
	generated := make(map[tcpip.Address]bool)
	for ev := range n.ndp.c {
		source := routeSource{ev.nic, "ndp"}
		switch {
		case ev.generated.Len() > 0:
			generated[ev.generated] = true
		case ev.checked.Len() > 0:
			if generated[ev.checked] {
				n.gate.open()
			}
		case ev.dns != nil:
			n.names.setServers(source, ev.dns)
		default:
			n.setRoutes(source, changeRoute(n.routesOf(source), ev.route, ev.gone))
		}
	}
}

// changeRoute returns a copy of routes with r added, once, or taken out.
func changeRoute(routes []tcpip.Route, r tcpip.Route, gone bool) []tcpip.Route {
	out := make([]tcpip.Route, 0, len(routes)+1)
	for _, old := range routes {
		if old.Destination != r.Destination || old.Gateway != r.Gateway {
			out = append(out, old)
		}
	}
	if !gone {
		out = append(out, r)
	}
	return out
}
