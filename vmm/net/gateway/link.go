package gateway

import (
	"sync"
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"ringo.dev/ringo/drivers/virtio/spec"
	"ringo.dev/ringo/vmm/net"
)

const (
	linkFeatures = spec.NetCSum | spec.NetHostTSO4 | spec.NetHostTSO6 |
		spec.NetGuestCSum | spec.NetGuestTSO4 | spec.NetGuestTSO6

	frameHeader = spec.NetHeaderLen + header.EthernetMinimumSize

	// maxBacklog is the number of frames that wait for room in the guest.
	// Further ones are lost.
	maxBacklog = 4096
)

// gatewayMAC is the gateway's Ethernet address.
const gatewayMAC = tcpip.LinkAddress("\x52\x55\x0a\x00\x02\x02")

// link is the wire between the stack and the guest's card. To the stack it is
// an interface that needs no address resolution: at its other end there is only
// one to send to.
type link struct {
	dispatcher stack.NetworkDispatcher
	features   atomic.Uint64 // that the guest's card uses
	peer       atomic.Pointer[tcpip.LinkAddress]

	// attached is closed when the guest's card is connected for the first time.
	attached   chan struct{}
	attachOnce sync.Once

	mu      sync.Mutex // guards what follows
	card    net.Card   // nil: not connected
	backlog []*stack.PacketBuffer
	more    *sync.Cond // the backlog is not empty, or card changed
	worker  sync.WaitGroup
}

var (
	_ stack.LinkEndpoint = (*link)(nil)
	_ stack.GSOEndpoint  = (*link)(nil)
)

func newLink() *link {
	l := &link{attached: make(chan struct{})}
	l.more = sync.NewCond(&l.mu)
	broadcast := header.EthernetBroadcastAddress
	l.peer.Store(&broadcast)
	return l
}

// connect begins the exchange of frames with c.
func (l *link) connect(c net.Card, features uint64) {
	l.features.Store(features)
	l.mu.Lock()
	l.card = c
	l.mu.Unlock()
	l.worker.Go(func() { l.catchUp(c) })
	l.attachOnce.Do(func() { close(l.attached) })
}

// disconnect ends it.
func (l *link) disconnect() {
	l.mu.Lock()
	l.card = nil
	l.dropBacklog(len(l.backlog))
	l.more.Broadcast()
	l.mu.Unlock()
	l.worker.Wait()
}

// receive takes a frame of the guest, with its virtio_net_hdr.
func (l *link) receive(frame [][]byte) {
	size := 0
	for _, p := range frame {
		size += len(p)
	}
	if size < frameHeader {
		return
	}
	var head [frameHeader]byte
	in := cursor{pieces: frame}
	in.read(head[:])
	var h spec.NetHeader
	h.Decode(head[:])
	if h.Flags&spec.NetNeedsCSum != 0 && l.features.Load()&spec.NetCSum == 0 {
		return
	}
	eth := header.Ethernet(head[spec.NetHeaderLen:])

	v := buffer.NewViewSize(size - frameHeader)
	in.read(v.AsSlice())
	switch verdict, reply := inspect(eth.Type(), v.AsSlice()); verdict {
	case drop:
		v.Release()
		return
	case answer:
		v.Release()
		l.inject(eth.SourceAddress(), reply)
		return
	}
	if string(eth[6:12]) != string(*l.peer.Load()) {
		src := eth.SourceAddress()
		l.peer.Store(&src)
	}
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithView(v)})
	l.dispatcher.DeliverNetworkPacket(eth.Type(), pkt)
	pkt.DecRef()
}

// inject sends an IPv6 packet that was made by hand.
func (l *link) inject(to tcpip.LinkAddress, packet []byte) {
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{
		ReserveHeaderBytes: header.EthernetMinimumSize,
		Payload:            buffer.MakeWithData(packet),
	})
	defer pkt.DecRef()
	pkt.NetworkProtocolNumber = header.IPv6ProtocolNumber
	pkt.EgressRoute.RemoteLinkAddress = to
	l.AddHeader(pkt)
	var list stack.PacketBufferList
	list.PushBack(pkt)
	l.WritePackets(list)
}

// WritePackets implements stack.LinkEndpoint. It gives the frames to the guest,
// or puts them into the backlog if that has no room. It never blocks: it may be
// called from receive, and the guest may not take frames before receive returns.
func (l *link) WritePackets(pkts stack.PacketBufferList) (int, tcpip.Error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.card == nil {
		return pkts.Len(), nil
	}
	for _, pkt := range pkts.AsSlice() {
		if len(l.backlog) == 0 && l.deliver(pkt) {
			continue
		}
		if len(l.backlog) < maxBacklog {
			l.backlog = append(l.backlog, pkt.IncRef())
			l.more.Signal()
		}
	}
	l.card.Flush()
	return pkts.Len(), nil
}

// catchUp gives the backlog to card c, as soon as the guest makes room for it.
func (l *link) catchUp(c net.Card) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		for len(l.backlog) == 0 && l.card == c {
			l.more.Wait()
		}
		if l.card != c {
			return
		}
		// With a backlog nobody else uses the card.
		l.mu.Unlock()
		ok := c.Wait()
		l.mu.Lock()
		if !ok {
			return
		}
		n := 0
		for n < len(l.backlog) && l.card == c && l.deliver(l.backlog[n]) {
			n++
		}
		if l.dropBacklog(n); l.card == c {
			c.Flush()
		}
	}
}

// dropBacklog forgets the first n frames of the backlog.
func (l *link) dropBacklog(n int) {
	for _, pkt := range l.backlog[:n] {
		pkt.DecRef()
	}
	rest := copy(l.backlog, l.backlog[n:])
	clear(l.backlog[rest:])
	l.backlog = l.backlog[:rest]
}

// deliver writes a frame to the guest's memory. It fails if there is no room.
func (l *link) deliver(pkt *stack.PacketBuffer) bool {
	n := spec.NetHeaderLen + pkt.Size()
	mem := l.card.Reserve(n)
	if mem == nil {
		return false
	}
	var head [spec.NetHeaderLen]byte
	h := netHeader(pkt)
	if h.Flags == 0 && l.features.Load()&spec.NetGuestCSum != 0 {
		h.Flags = spec.NetDataValid // nothing on this wire could have changed it
	}
	h.Encode(head[:])
	w := cursor{pieces: mem}
	w.write(head[:])
	views, skip := pkt.AsViewList()
	for v := views.Front(); v != nil; v = v.Next() {
		b := v.AsSlice()
		k := min(skip, len(b))
		skip -= k
		w.write(b[k:])
	}
	l.card.Commit(n)
	return true
}

// netHeader translates what the stack has left to be done with a packet.
func netHeader(pkt *stack.PacketBuffer) spec.NetHeader {
	gso := &pkt.GSOOptions
	if gso.Type == stack.GSONone || !gso.NeedsCsum {
		return spec.NetHeader{}
	}
	h := spec.NetHeader{
		Flags:      spec.NetNeedsCSum,
		CSumStart:  header.EthernetMinimumSize + gso.L3HdrLen,
		CSumOffset: gso.CsumOffset,
	}
	if pkt.Data().Size() > int(gso.MSS) {
		h.GSOType = spec.NetGSOTCPv4
		if gso.Type == stack.GSOTCPv6 {
			h.GSOType = spec.NetGSOTCPv6
		}
		h.GSOSize = gso.MSS
		h.HdrLen = uint16(pkt.HeaderSize())
	}
	return h
}

// cursor is a position in memory that is in pieces. Reads and writes stay
// within it.
type cursor struct {
	pieces [][]byte
	off    int // in the first piece
}

// read fills b.
func (c *cursor) read(b []byte) {
	for len(b) > 0 {
		n := copy(b, c.pieces[0][c.off:])
		b = b[n:]
		c.advance(n)
	}
}

// write writes b.
func (c *cursor) write(b []byte) {
	for len(b) > 0 {
		n := copy(c.pieces[0][c.off:], b)
		b = b[n:]
		c.advance(n)
	}
}

// advance moves by n bytes within the first piece.
func (c *cursor) advance(n int) {
	if c.off += n; c.off == len(c.pieces[0]) {
		c.pieces, c.off = c.pieces[1:], 0
	}
}

// AddHeader implements stack.LinkEndpoint.
func (l *link) AddHeader(pkt *stack.PacketBuffer) {
	dst := pkt.EgressRoute.RemoteLinkAddress
	if len(dst) == 0 {
		dst = *l.peer.Load()
	}
	header.Ethernet(pkt.LinkHeader().Push(header.EthernetMinimumSize)).Encode(&header.EthernetFields{
		SrcAddr: gatewayMAC,
		DstAddr: dst,
		Type:    pkt.NetworkProtocolNumber,
	})
}

// ParseHeader implements stack.LinkEndpoint.
func (l *link) ParseHeader(pkt *stack.PacketBuffer) bool {
	_, ok := pkt.LinkHeader().Consume(header.EthernetMinimumSize)
	return ok
}

// Capabilities implements stack.LinkEndpoint: a guest that may leave checksums
// out is not checked, as memory needs no checksum; one that may not (behind a
// link with faults) is.
func (l *link) Capabilities() stack.LinkEndpointCapabilities {
	if l.features.Load()&spec.NetCSum != 0 {
		return stack.CapabilityRXChecksumOffload
	}
	return 0
}

// SupportedGSO implements stack.GSOEndpoint.
func (l *link) SupportedGSO() stack.SupportedGSO {
	const need = spec.NetGuestCSum | spec.NetGuestTSO4 | spec.NetGuestTSO6
	if l.features.Load()&need == need {
		return stack.HostGSOSupported
	}
	return stack.GSONotSupported
}

// GSOMaxSize implements stack.GSOEndpoint.
func (l *link) GSOMaxSize() uint32 { return 65535 }

// Attach implements stack.LinkEndpoint.
func (l *link) Attach(d stack.NetworkDispatcher) {
	if d != nil {
		l.dispatcher = d
	}
}

// The rest of stack.LinkEndpoint.

func (l *link) MTU() uint32                             { return mtu }
func (l *link) SetMTU(uint32)                           {}
func (l *link) MaxHeaderLength() uint16                 { return header.EthernetMinimumSize }
func (l *link) LinkAddress() tcpip.LinkAddress          { return gatewayMAC }
func (l *link) SetLinkAddress(tcpip.LinkAddress)        {}
func (l *link) IsAttached() bool                        { return l.dispatcher != nil }
func (l *link) Wait()                                   {}
func (l *link) ARPHardwareType() header.ARPHardwareType { return header.ARPHardwareEther }
func (l *link) Close()                                  {}
func (l *link) SetOnCloseAction(func())                 {}
