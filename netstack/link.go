package netstack

import (
	"encoding/binary"
	"fmt"
	"sync"
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/stack/gro"

	"ringo.dev/ringo/drivers/virtio"
	"ringo.dev/ringo/drivers/virtio/spec"
	"ringo.dev/ringo/rt"
)

// card is an Ethernet card, as *virtio.Net is one.
type card interface {
	MAC() [6]byte
	MTU() int
	TSO() (v4, v6 bool)
}

// sender is a card's transmit queue; see virtio.TxQueue.
type sender interface {
	Begin()
	Send(h *virtio.NetHeader, data [][]byte, owner virtio.Owner) error
	End()
}

// receiver is a card's receive queue; see virtio.RxQueue.
type receiver interface {
	Serve(virtio.RxHandler) error
}

// link joins a card to the stack. It is the stack's link endpoint and queueing
// discipline, and the card's handler of received packets.
//
// Sending copies nothing: the card gets the views that a packet consists of,
// and a reference to the packet, which it drops when they are sent. Receiving
// copies nothing either, but for small packets: they would pin a whole buffer
// while they wait in a socket.
type link struct {
	mac tcpip.LinkAddress
	mtu atomic.Uint32
	tso bool
	tx  sender
	rx  receiver

	slices [][]byte         // the last packet's data, from tx.Begin on
	header virtio.NetHeader // and its header
	failed atomic.Bool

	serving    sync.Once
	dispatcher atomic.Pointer[stack.NetworkDispatcher]

	// udpTap, if set, takes datagrams that the stack is not to see.
	udpTap atomic.Pointer[udpTap]

	// These belong to the goroutine that serves rx: gro, whether it was given something
	// since the last Flush, and buffers whose packets were copied. Small packets need no
	// others.
	gro     gro.GRO
	merging bool
	spare   []*buffer.View

	// validated is whether the packet being delivered needs no verification:
	// the stack asks for that by way of Capabilities.
	validated atomic.Bool
}

var (
	_ stack.LinkEndpoint       = (*link)(nil)
	_ stack.GSOEndpoint        = (*link)(nil)
	_ stack.QueueingDiscipline = (*link)(nil)
	_ virtio.RxHandler         = (*link)(nil)
)

const (
	// rxBuffer is the size of a receive buffer: half a page, so that none
	// crosses a page, and enough for a frame.
	rxBuffer = 2048
	// copyBreak is the size up to which a received packet is copied.
	copyBreak = 256
	// gsoMaxSize is the size of the largest packet that the card cuts up.
	gsoMaxSize = 65535
)

func newLink(c card, tx sender, rx receiver) *link {
	mac := c.MAC()
	v4, v6 := c.TSO()
	l := &link{mac: tcpip.LinkAddress(mac[:]), tso: v4 && v6, tx: tx, rx: rx}
	l.mtu.Store(uint32(c.MTU()))
	l.gro.Init(true)
	l.gro.Dispatcher = delivery{l}
	return l
}

// MTU implements stack.LinkEndpoint.
func (l *link) MTU() uint32 { return l.mtu.Load() }

// SetMTU implements stack.LinkEndpoint.
func (l *link) SetMTU(mtu uint32) { l.mtu.Store(mtu) }

// MaxHeaderLength implements stack.LinkEndpoint. The card's own header is not
// part of the packet.
func (l *link) MaxHeaderLength() uint16 { return header.EthernetMinimumSize }

// LinkAddress implements stack.LinkEndpoint.
func (l *link) LinkAddress() tcpip.LinkAddress { return l.mac }

// SetLinkAddress implements stack.LinkEndpoint. The card's address is fixed.
func (l *link) SetLinkAddress(tcpip.LinkAddress) {}

// Capabilities implements stack.LinkEndpoint. Checksums of packets to be sent
// are left to the card only where it cuts up segments, too (see GSOEndpoint), and by
// packets that say so: with the general capability the stack sends UDP without a
// checksum, which IPv6 forbids.
func (l *link) Capabilities() stack.LinkEndpointCapabilities {
	c := stack.CapabilityResolutionRequired
	if l.validated.Load() {
		c |= stack.CapabilityRXChecksumOffload
	}
	return c
}

// SupportedGSO implements stack.GSOEndpoint.
func (l *link) SupportedGSO() stack.SupportedGSO {
	if l.tso {
		return stack.HostGSOSupported
	}
	return stack.GSONotSupported
}

// GSOMaxSize implements stack.GSOEndpoint.
func (l *link) GSOMaxSize() uint32 { return gsoMaxSize }

// Attach implements stack.LinkEndpoint. The first time it starts receiving.
func (l *link) Attach(d stack.NetworkDispatcher) {
	if d == nil {
		l.dispatcher.Store(nil)
		return
	}
	l.dispatcher.Store(&d)
	l.serving.Do(func() { go l.serve() })
}

// IsAttached implements stack.LinkEndpoint.
func (l *link) IsAttached() bool { return l.dispatcher.Load() != nil }

// serve receives until the card fails.
func (l *link) serve() {
	if err := l.rx.Serve(l); err != nil {
		l.fail(err)
	}
}

// fail reports a broken card, once. The interface stays and loses everything.
func (l *link) fail(err error) {
	if l.failed.CompareAndSwap(false, true) {
		rt.ConsoleWrite(fmt.Appendf(nil, "ringo: the network card stopped: %v\n", err))
	}
}

// Wait, Close and SetOnCloseAction implement stack.LinkEndpoint: a card is
// never removed.
func (l *link) Wait()                   {}
func (l *link) Close()                  {}
func (l *link) SetOnCloseAction(func()) {}

// ARPHardwareType implements stack.LinkEndpoint.
func (l *link) ARPHardwareType() header.ARPHardwareType { return header.ARPHardwareEther }

// AddHeader implements stack.LinkEndpoint.
func (l *link) AddHeader(pkt *stack.PacketBuffer) {
	b := pkt.LinkHeader().Push(header.EthernetMinimumSize)
	putLinkAddress(b, pkt.EgressRoute.RemoteLinkAddress)
	putLinkAddress(b[header.EthernetAddressSize:], pkt.EgressRoute.LocalLinkAddress)
	binary.BigEndian.PutUint16(b[2*header.EthernetAddressSize:], uint16(pkt.NetworkProtocolNumber))
}

// putLinkAddress writes a card's address to the beginning of b; none leaves it as it is.
// (It is copy for six bytes, without a call.)
func putLinkAddress(b []byte, a tcpip.LinkAddress) {
	if len(a) >= header.EthernetAddressSize {
		*(*[header.EthernetAddressSize]byte)(b) = [header.EthernetAddressSize]byte{a[0], a[1], a[2], a[3], a[4], a[5]}
	}
}

// ParseHeader implements stack.LinkEndpoint.
func (l *link) ParseHeader(pkt *stack.PacketBuffer) bool {
	_, ok := pkt.LinkHeader().Consume(header.EthernetMinimumSize)
	return ok
}

// WritePacket implements stack.QueueingDiscipline.
func (l *link) WritePacket(pkt *stack.PacketBuffer) tcpip.Error {
	l.tx.Begin()
	err := l.write(pkt)
	l.tx.End()
	return err
}

// WritePackets implements stack.LinkEndpoint.
func (l *link) WritePackets(pkts stack.PacketBufferList) (int, tcpip.Error) {
	l.tx.Begin()
	defer l.tx.End()
	for i, pkt := range pkts.AsSlice() {
		if err := l.write(pkt); err != nil {
			return i, err
		}
	}
	return pkts.Len(), nil
}

// write sends a packet, between tx.Begin and tx.End.
func (l *link) write(pkt *stack.PacketBuffer) tcpip.Error {
	h := &l.header
	*h = virtio.NetHeader{}
	if gso := &pkt.GSOOptions; gso.NeedsCsum {
		h.Flags = spec.NetNeedsCSum
		h.CSumStart = header.EthernetMinimumSize + gso.L3HdrLen
		h.CSumOffset = gso.CsumOffset
		if gso.Type != stack.GSONone && pkt.Data().Size() > int(gso.MSS) {
			switch gso.Type {
			case stack.GSOTCPv4:
				h.GSOType = spec.NetGSOTCPv4
			case stack.GSOTCPv6:
				h.GSOType = spec.NetGSOTCPv6
			}
			h.GSOSize = gso.MSS
			h.HdrLen = uint16(pkt.HeaderSize())
		}
	}
	l.slices = l.slices[:0]
	views, skip := pkt.AsViewList()
	for v := views.Front(); v != nil; v = v.Next() {
		b := v.AsSlice()
		if skip >= len(b) {
			skip -= len(b)
			continue
		}
		l.slices = append(l.slices, b[skip:])
		skip = 0
	}
	if err := l.tx.Send(h, l.slices, pkt.IncRef()); err != nil {
		l.fail(err)
		return &tcpip.ErrAborted{}
	}
	return nil
}

// Buffer implements virtio.RxHandler.
func (l *link) Buffer() ([]byte, any) {
	if last := len(l.spare) - 1; last >= 0 {
		v := l.spare[last]
		l.spare = l.spare[:last]
		return v.AsSlice(), v
	}
	v := buffer.NewViewSize(rxBuffer)
	return v.AsSlice(), v
}

// Packet implements virtio.RxHandler.
func (l *link) Packet(h *virtio.NetHeader, parts []virtio.RxPart) {
	data := l.assemble(parts)
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: data})
	l.receive(h, pkt)
	pkt.DecRef()
}

// receive gives a frame to whom it is for.
func (l *link) receive(h *virtio.NetHeader, pkt *stack.PacketBuffer) {
	b, ok := pkt.LinkHeader().Consume(header.EthernetMinimumSize)
	if !ok {
		return
	}
	eth := header.Ethernet(b)
	switch dst := eth[:header.EthernetAddressSize]; { // comparisons copy nothing, DestinationAddress does
	case string(dst) == string(l.mac):
		pkt.PktType = tcpip.PacketHost
	case string(dst) == string(header.EthernetBroadcastAddress):
		pkt.PktType = tcpip.PacketBroadcast
	case header.IsMulticastEthernetAddress(tcpip.LinkAddress(dst)):
		pkt.PktType = tcpip.PacketMulticast
	default:
		return // somebody else's, flooded by a switch
	}
	pkt.NetworkProtocolNumber = eth.Type()
	pkt.RXChecksumValidated = h.Flags&(spec.NetNeedsCSum|spec.NetDataValid) != 0
	if t := l.udpTap.Load(); t != nil && t.take(eth.SourceAddress(), pkt) {
		return
	}
	checked := verify(pkt)
	if checked != checksumLater {
		pkt.RXChecksumValidated = checked != checksumBad
	}
	if checked == checksumGood || checked == checksumGoodLast && l.merging {
		l.merging = true
		l.gro.Enqueue(pkt)
		return
	}
	delivery{l}.DeliverNetworkPacket(pkt.NetworkProtocolNumber, pkt)
}

// Flush implements virtio.RxHandler.
func (l *link) Flush() {
	if l.merging {
		l.merging = false
		l.gro.Flush()
	}
}

// assemble makes a buffer of a packet's parts, whose views it takes.
func (l *link) assemble(parts []virtio.RxPart) buffer.Buffer {
	var data buffer.Buffer
	if len(parts) == 1 && parts[0].Len <= copyBreak {
		p := parts[0]
		v := p.Owner.(*buffer.View)
		small := buffer.NewViewWithData(v.AsSlice()[p.Off : p.Off+p.Len])
		l.spare = append(l.spare, v)
		return buffer.MakeWithView(small)
	}
	for _, p := range parts {
		v := p.Owner.(*buffer.View)
		v.CapLength(p.Off + p.Len)
		v.TrimFront(p.Off)
		// Append fails only when its own copying does.
		_ = data.Append(v)
	}
	return data
}

// delivery passes packets on to the stack.
type delivery struct{ l *link }

// DeliverNetworkPacket implements stack.NetworkDispatcher.
func (d delivery) DeliverNetworkPacket(proto tcpip.NetworkProtocolNumber, pkt *stack.PacketBuffer) {
	if to := d.l.dispatcher.Load(); to != nil {
		d.l.validated.Store(pkt.RXChecksumValidated)
		(*to).DeliverNetworkPacket(proto, pkt)
	}
}

// DeliverLinkPacket implements stack.NetworkDispatcher. The stack itself
// delivers to packet sockets.
func (d delivery) DeliverLinkPacket(tcpip.NetworkProtocolNumber, *stack.PacketBuffer) {}
