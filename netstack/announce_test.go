package netstack

import (
	"net/netip"
	"testing"

	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// TestAnnounce wants the neighbours to hear of a new address.
func TestAnnounce(t *testing.T) {
	card, neighbour := newWire(false, faults{})
	h := newHost(t, card, 1)
	neighbour.mu.Lock()
	defer neighbour.mu.Unlock()
	for _, f := range neighbour.in {
		eth := header.Ethernet(f.data)
		if eth.Type() != header.ARPProtocolNumber {
			continue
		}
		p := header.ARP(f.data[header.EthernetMinimumSize:])
		sender, _ := netip.AddrFromSlice(p.ProtocolAddressSender())
		target, _ := netip.AddrFromSlice(p.ProtocolAddressTarget())
		if !p.IsValid() || sender != h.ip4 || target != h.ip4 || [6]byte(p.HardwareAddressSender()) != card.mac ||
			eth.DestinationAddress() != header.EthernetBroadcastAddress {
			t.Errorf("%x", f.data)
		}
		return
	}
	t.Error("there was no announcement")
}
