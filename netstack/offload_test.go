package netstack

import (
	"encoding/binary"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"testing"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"

	"ringo.dev/ringo/drivers/virtio/spec"
)

// TestDatagramChecksum looks at the checksums of datagrams as they leave: a card that can
// sum up is left what is not a fragment, and all that arrives is right.
func TestDatagramChecksum(t *testing.T) {
	for _, offload := range []bool{true, false} {
		var mu sync.Mutex
		var frames []frame
		a, b := newPair(t, offload, faults{lose: func(f *frame) bool {
			mu.Lock()
			defer mu.Unlock()
			frames = append(frames, *f)
			return false
		}})
		for _, ip := range []netip.Addr{b.ip4, b.ip6} {
			server := bound(t, b.Stack, netip.AddrPortFrom(ip, 53))
			client := open(t, a.Stack, familyOf(ip), syscall.SOCK_DGRAM, 0)
			for _, size := range []int{0, 1, 100, 1400, 5000} {
				mu.Lock()
				frames = nil
				mu.Unlock()
				data := make([]byte, size)
				for i := range data {
					data[i] = byte(i)
				}
				if err := client.sendTo(data, netip.AddrPortFrom(ip, 53)); err != 0 {
					t.Fatal(err)
				}
				buf := make([]byte, 6000)
				if n, _, _ := server.receiveFrom(buf); string(buf[:n]) != string(data) {
					t.Errorf("%v, %d bytes: %d others arrived", ip, size, n)
				}
				mu.Lock()
				for i := range frames {
					checkDatagram(t, &frames[i], offload && os.Getenv(patchedEnv) != "")
				}
				mu.Unlock()
			}
			client.close()
			server.close()
		}
	}
}

// checkDatagram checks a frame's UDP checksum, if it has one and is no fragment. offload
// is whether it is to be left to the card.
func checkDatagram(t *testing.T, f *frame, offload bool) {
	t.Helper()
	left := f.h.Flags&spec.NetNeedsCSum != 0
	packet := f.data[header.EthernetMinimumSize:]
	var src, dst tcpip.Address
	switch header.Ethernet(f.data).Type() {
	case header.IPv4ProtocolNumber:
		ip := header.IPv4(packet)
		if ip.TransportProtocol() != header.UDPProtocolNumber {
			return
		}
		if ip.More() || ip.FragmentOffset() > 0 {
			if left {
				t.Error("a fragment's checksum was left to the card")
			}
			return
		}
		src, dst, packet = ip.SourceAddress(), ip.DestinationAddress(), packet[ip.HeaderLength():ip.TotalLength()]
	case header.IPv6ProtocolNumber:
		ip := header.IPv6(packet)
		if ip.NextHeader() != uint8(header.UDPProtocolNumber) {
			return // a fragment has a header of its own
		}
		src, dst, packet = ip.SourceAddress(), ip.DestinationAddress(), packet[header.IPv6MinimumSize:]
	default:
		return
	}
	if left != offload {
		t.Errorf("left to the card: %v, want %v", left, offload)
	}
	if left {
		at := f.data[f.h.CSumStart:][f.h.CSumOffset:]
		sum := ^checksum.Checksum(f.data[f.h.CSumStart:], 0)
		if sum == 0 {
			sum = 0xffff
		}
		binary.BigEndian.PutUint16(at, sum) // as the card does
	}
	if !header.UDP(packet).IsChecksumValid(src, dst, checksum.Checksum(packet[header.UDPMinimumSize:], 0)) {
		t.Errorf("a datagram of %d bytes left with a wrong checksum", len(packet))
	}
}
