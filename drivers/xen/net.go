package xen

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"ringo.dev/ringo/drivers/virtio"
	"ringo.dev/ringo/drivers/virtio/spec"
	"ringo.dev/ringo/rt"
)

// Net is a network card (io/netif.h), of which the other half is in another
// domain. It has the interface of *virtio.Net, whose types for packets it uses.
// Packets are Ethernet frames. They are copied, to and from pages that are
// granted once and for all: so no other memory is ever within the back end's
// reach, and nothing of a packet has to be waited for.
type Net struct {
	xen     hypervisor
	port    uint32 // event channel
	backend uint16 // the back end's domain

	mac    [6]byte
	mtu    int
	tso    [2]bool // TCP segments to be cut up, over IPv4 and IPv6
	pieces bool    // a packet to be sent may have several

	mu sync.Mutex // held from Begin to End
	tx *ring
	// txFree are the pages that hold no packet, by their index, a stack.
	txFree []uint16
	txBusy []bool
	txBuf  buffers

	rx    *ring
	rxBuf buffers // a page for each slot, at its index
	parts []virtio.RxPart
}

// buffers are pages for packets, with their grants' references.
type buffers struct {
	pages []page
	refs  []uint32
}

// State of a device, in XenStore (io/xenbus.h).
const (
	stateInitWait  = 2 // the back end waits for us
	stateConnected = 4
)

const (
	// backendPatience is how long a back end may take to get ready.
	backendPatience = 10 * time.Second
	// maxPacket is the size of a large segment with its Ethernet header.
	maxPacket = 14 + 65535
	// maxSent is the largest packet that a request can describe.
	maxSent = 65535
)

// Find returns the domain's network cards, connected to their back ends. It is
// called before other drivers look for cards: in an HVM domain these are
// emulated as well, and Find takes them away.
func Find() ([]*Net, error) {
	if !rt.Xen() {
		return nil, nil
	}
	x := new(xen)
	s, err := openStore(x)
	if err != nil {
		return nil, err
	}
	// It has the store to itself when the cards are connected.
	defer func() { go serveControl(s, terminate) }()
	const dir = "device/vif"
	names, err := s.list(dir)
	if errors.Is(err, storeMissing) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if !unplug() {
		return nil, nil // the emulated cards will do
	}
	var found []*Net
	for _, name := range names {
		n, err := connect(x, s, dir+"/"+name)
		if err != nil {
			return nil, fmt.Errorf("network card %s: %w", name, err)
		}
		found = append(found, n)
	}
	return found, nil
}

// connect connects the card whose node in XenStore is path.
func connect(x hypervisor, s *store, path string) (*Net, error) {
	n := &Net{xen: x}
	back, err := s.read(path + "/backend")
	if err != nil {
		return nil, err
	}
	domain, err := s.readInt(path+"/backend-id", -1)
	if err != nil {
		return nil, err
	}
	if domain != int(uint16(domain)) {
		return nil, backendError("the back end's domain is missing in XenStore")
	}
	n.backend = uint16(domain)
	if err := s.await(back+"/state", backendPatience, stateInitWait, stateConnected); err != nil {
		return nil, err
	}
	if err := n.readFeatures(s, path, back); err != nil {
		return nil, err
	}
	if err := n.setUp(); err != nil {
		return nil, err
	}
	if err := n.announce(s, path); err != nil {
		return nil, err
	}
	return n, s.await(back+"/state", backendPatience, stateConnected)
}

// readFeatures reads what the back end says of the card and of itself.
func (n *Net) readFeatures(s *store, path, back string) error {
	text, err := s.read(path + "/mac")
	if err != nil {
		return err
	}
	if !parseMAC(&n.mac, text) {
		return backendError("the card's address in XenStore is none: " + text)
	}
	if n.mtu, err = s.readInt(path+"/mtu", 1500); err != nil {
		return err
	}
	if n.mtu < 68 || n.mtu > maxSent {
		return backendError("the card has an impossible MTU")
	}
	var has [4]bool
	for i, feature := range [...]string{"feature-rx-copy", "feature-sg", "feature-gso-tcpv4", "feature-gso-tcpv6"} {
		v, err := s.readInt(back+"/"+feature, 0)
		if err != nil {
			return err
		}
		has[i] = v != 0
	}
	if !has[0] {
		return backendError("the back end cannot copy packets (feature-rx-copy)")
	}
	n.pieces = has[1]
	n.tso = [2]bool{n.pieces && has[2], n.pieces && has[3]}
	return nil
}

// parseMAC reads an Ethernet address, six pairs of hexadecimal digits with
// colons between them.
func parseMAC(mac *[6]byte, text string) bool {
	if len(text) != 3*len(mac)-1 {
		return false
	}
	for i := range mac {
		v, err := strconv.ParseUint(text[3*i:][:2], 16, 8)
		if err != nil || i > 0 && text[3*i-1] != ':' {
			return false
		}
		mac[i] = byte(v)
	}
	return true
}

// setUp makes the rings, the pages for packets, and the event channel.
func (n *Net) setUp() error {
	rings := newPages(2)
	n.tx, n.rx = newRing(&rings[0], txSlot), newRing(&rings[1], rxSlot)
	var err error
	if n.txBuf, err = n.newBuffers(n.tx.size, true); err != nil {
		return err
	}
	if n.rxBuf, err = n.newBuffers(n.rx.size, false); err != nil {
		return err
	}
	n.txBusy = make([]bool, n.tx.size)
	for i := n.tx.size; i > 0; i-- {
		n.txFree = append(n.txFree, uint16(i-1))
	}
	for n.rx.free() > 0 {
		n.refill()
	}
	n.rx.publish()
	n.port, err = n.xen.listen(n.backend)
	return err
}

// newBuffers returns pages that the back end may access.
func (n *Net) newBuffers(count uint32, readOnly bool) (b buffers, err error) {
	b.pages, b.refs = newPages(int(count)), make([]uint32, count)
	for i := range b.pages {
		if b.refs[i], err = n.xen.grant(n.backend, &b.pages[i], readOnly); err != nil {
			return b, err
		}
	}
	return b, nil
}

// announce tells the back end of the rings, and what we can do.
func (n *Net) announce(s *store, path string) error {
	tx, err := n.xen.grant(n.backend, n.tx.mem, false)
	if err != nil {
		return err
	}
	rx, err := n.xen.grant(n.backend, n.rx.mem, false)
	if err != nil {
		return err
	}
	for _, node := range [...]struct {
		name  string
		value int
	}{
		{"tx-ring-ref", int(tx)},
		{"rx-ring-ref", int(rx)},
		{"event-channel", int(n.port)},
		{"request-rx-copy", 1},
		{"feature-rx-notify", 1},
		{"feature-sg", 1},
		{"feature-gso-tcpv4", 1},
		{"feature-gso-tcpv6", 1},
		{"feature-ipv6-csum-offload", 1},
		{"state", stateConnected},
	} {
		if err := s.write(path+"/"+node.name, strconv.Itoa(node.value)); err != nil {
			return err
		}
	}
	return nil
}

// MAC is the card's Ethernet address.
func (n *Net) MAC() [6]byte { return n.mac }

// MTU is the largest packet on the wire, without the Ethernet header.
func (n *Net) MTU() int { return n.mtu }

// TSO reports whether TCP segments of up to 64 KiB may be sent, over IPv4 and
// over IPv6.
func (n *Net) TSO() (v4, v6 bool) { return n.tso[0], n.tso[1] }

// Begin starts a batch of packets to be sent, as of virtio.TxQueue.
func (n *Net) Begin() {
	n.mu.Lock()
	n.reclaim()
}

// End ends the batch: the back end is told, if it wants to be.
func (n *Net) End() {
	n.push(n.tx)
	n.mu.Unlock()
}

// push publishes a ring's requests.
func (n *Net) push(r *ring) {
	if r.publish() {
		n.xen.notify(n.port)
	}
}

// Send sends a packet; see virtio.TxQueue. It copies the packet, and waits
// while the ring is full.
func (n *Net) Send(h *virtio.NetHeader, data [][]byte, owner virtio.Owner) error {
	defer owner.DecRef()
	size := 0
	for _, b := range data {
		size += len(b)
	}
	count := (size + pageSize - 1) / pageSize
	if size > maxSent || count > 1 && !n.pieces {
		return fmt.Errorf("xen: a packet of %d bytes is too long for the back end", size)
	}
	slots := count
	if h.GSOType != spec.NetGSONone {
		slots++
	}
	if err := n.waitRoom(slots, count); err != nil {
		return err
	}
	var src source
	src.data = data
	for i := range count {
		id := n.txFree[len(n.txFree)-1]
		n.txFree = n.txFree[:len(n.txFree)-1]
		n.txBusy[id] = true
		piece := src.read(n.txBuf.pages[id][:])
		t := txRequest{ref: n.txBuf.refs[id], id: id, size: uint16(piece)}
		if i == 0 {
			t.size = uint16(size)
			t.flags = txFlags(h)
		}
		if i < count-1 {
			t.flags |= txMore
		}
		t.encode(n.tx.request())
		if t.flags&txExtra != 0 {
			encodeGSO(n.tx.request(), gsoKind(h), h.GSOSize)
		}
	}
	return nil
}

// txFlags returns the flags of a packet's first request.
func txFlags(h *virtio.NetHeader) (flags uint16) {
	if h.Flags&spec.NetNeedsCSum != 0 {
		flags |= txChecksumBlank | txDataValidated
	}
	if h.GSOType != spec.NetGSONone {
		flags |= txExtra
	}
	return flags
}

func gsoKind(h *virtio.NetHeader) uint8 {
	if h.GSOType == spec.NetGSOTCPv6 {
		return extraGSOTCP6
	}
	return extraGSOTCP4
}

// source is a packet's data, to be read piece by piece.
type source struct{ data [][]byte }

// read fills b, as far as there is data.
func (s *source) read(b []byte) (n int) {
	for len(s.data) > 0 && n < len(b) {
		k := copy(b[n:], s.data[0])
		n += k
		if s.data[0] = s.data[0][k:]; len(s.data[0]) == 0 {
			s.data = s.data[1:]
		}
	}
	return n
}

// waitRoom waits until there are slots and pages for a packet.
func (n *Net) waitRoom(slots, pages int) error {
	for n.reclaim(); n.tx.err == nil; n.reclaim() {
		if int(n.tx.free()) >= slots && len(n.txFree) >= pages {
			return nil
		}
		busy := n.tx.put - n.tx.got
		if busy == 0 {
			n.tx.err = backendError("the back end did not give pages back")
			break
		}
		n.push(n.tx)
		// Sleep until much is free, not to be woken for every packet.
		n.tx.wait(max(1, busy/2))
	}
	return n.tx.err
}

// reclaim takes back the pages of packets that were sent.
func (n *Net) reclaim() {
	var b [txSlot]byte
	for n.tx.ready() > 0 {
		n.tx.response(b[:])
		id, status := decodeTx(b[:])
		if status == statusNull {
			continue // of an extra slot
		}
		if int(id) >= len(n.txBusy) || !n.txBusy[id] {
			n.tx.err = backendError("the back end sent a packet that it did not have")
			return
		}
		n.txBusy[id] = false
		n.txFree = append(n.txFree, id)
	}
}

// refill gives the back end a page to fill.
func (n *Net) refill() {
	i := n.rx.put % n.rx.size
	encodeRx(n.rx.request(), uint16(i), n.rxBuf.refs[i])
}

// Serve gives h the packets; see virtio.RxQueue.
func (n *Net) Serve(h virtio.RxHandler) error {
	for {
		for n.rx.ready() > 0 {
			if err := n.packet(h); err != nil {
				return err
			}
		}
		h.Flush()
		n.push(n.rx)
		if n.rx.wait(1); n.rx.err != nil {
			return n.rx.err
		}
	}
}

// packet gives h the next packet, of which the beginning is there.
func (n *Net) packet(h virtio.RxHandler) error {
	p := sink{handler: h, parts: n.parts[:0]}
	var header virtio.NetHeader
	for first, more := true, true; more; first = false {
		r, err := n.piece(&p)
		if err != nil {
			return err
		}
		more = r.flags&rxMore != 0
		if !first {
			continue
		}
		header.Flags = rxFlags(r.flags)
		if r.flags&rxExtra != 0 {
			if err := n.skipExtras(); err != nil {
				return err
			}
		}
	}
	n.parts = p.parts
	if !p.bad && p.size > 0 {
		h.Packet(&header, p.parts)
	}
	return nil
}

// piece adds the next piece of a packet to p.
func (n *Net) piece(p *sink) (rxResponse, error) {
	var b [rxSlot]byte
	i, err := n.next(b[:])
	if err != nil {
		return rxResponse{}, err
	}
	r := decodeRx(b[:])
	switch {
	case uint32(r.id) != i:
		return r, n.broken("a page that it did not have")
	case r.size < 0:
		p.bad = true // there was no memory for it, over there
	case int(r.offset)+int(r.size) > pageSize:
		return r, n.broken("a packet that does not fit its page")
	case p.count == n.rx.size || p.size+int(r.size) > maxPacket:
		return r, n.broken("a packet of an impossible size")
	default:
		p.write(n.rxBuf.pages[i][r.offset:][:r.size])
	}
	p.count++
	n.refill()
	return r, nil
}

// skipExtras takes what follows a packet's first piece to say more of it. How
// the packet was cut up, or was not, is of no use here.
func (n *Net) skipExtras() error {
	for range n.rx.size {
		var b [rxSlot]byte
		if _, err := n.next(b[:]); err != nil {
			return err
		}
		n.refill()
		if b[1]&extraMore == 0 {
			return nil
		}
	}
	return n.broken("a packet of which too much is to be said")
}

// next waits for the next response, and copies it to b. It returns its slot.
func (n *Net) next(b []byte) (uint32, error) {
	for n.rx.ready() == 0 {
		if n.rx.err != nil {
			return 0, n.rx.err
		}
		n.push(n.rx)
		n.rx.wait(1)
	}
	n.rx.response(b)
	return (n.rx.got - 1) % n.rx.size, nil
}

// broken marks the back end as broken, which returned something.
func (n *Net) broken(what string) error {
	n.rx.err = backendError("the back end returned " + what)
	return n.rx.err
}

// rxFlags returns what a packet's first response says of its checksums.
func rxFlags(flags uint16) (f uint8) {
	if flags&rxChecksumBlank != 0 {
		f |= spec.NetNeedsCSum
	}
	if flags&rxDataValidated != 0 {
		f |= spec.NetDataValid
	}
	return f
}

// sink collects a packet in a handler's buffers.
type sink struct {
	handler virtio.RxHandler
	parts   []virtio.RxPart
	free    []byte // of the last part's buffer
	size    int
	count   uint32 // pieces
	bad     bool   // to be dropped
}

// write adds b to the packet.
func (s *sink) write(b []byte) {
	s.size += len(b)
	for len(b) > 0 {
		if len(s.free) == 0 {
			mem, owner := s.handler.Buffer()
			s.free = mem
			s.parts = append(s.parts, virtio.RxPart{Owner: owner})
		}
		n := copy(s.free, b)
		b, s.free = b[n:], s.free[n:]
		s.parts[len(s.parts)-1].Len += n
	}
}
