package virtio

import (
	"sync"
	"unsafe"

	"ringo.dev/ringo/drivers/virtio/spec"
	"ringo.dev/ringo/rt"
)

// NetHeader describes a packet's offloads (5.1.6); the constants for its fields
// are in package spec.
type NetHeader = spec.NetHeader

// Net is a virtio network card. Packets are Ethernet frames. Neither direction
// copies, apart from very small packets.
type Net struct {
	Tx *TxQueue
	Rx *RxQueue

	mac      [6]byte
	mtu      int
	features uint64
}

// Owner owns the memory of a packet to be sent. DecRef is called once, when
// that memory is no longer needed; it must not call the driver.
// *stack.PacketBuffer of gVisor is an Owner.
type Owner interface{ DecRef() }

// RxHandler supplies memory for packets and takes the packets. Its methods are
// called by RxQueue.Serve, on its goroutine.
type RxHandler interface {
	// Buffer returns memory for the device to fill: at least MinRxBuffer bytes,
	// the same number each time. owner comes back with it in Packet.
	Buffer() (b []byte, owner any)
	// Packet takes a packet: the concatenation of parts. h and parts are valid
	// during the call, the memory belongs to the handler again. It may transmit.
	Packet(h *NetHeader, parts []RxPart)
	// Flush says that no further packet is there at the moment.
	Flush()
}

// RxPart is one piece of a received packet.
type RxPart struct {
	Owner any // as given by RxHandler.Buffer
	Off   int // where the piece begins in that buffer
	Len   int
}

const (
	// MinRxBuffer is the least size of a receive buffer: a packet that fits one
	// Ethernet frame must fit it even when the device cannot spread packets
	// over buffers.
	MinRxBuffer = spec.NetHeaderLen + 14 + 1500

	// txCopy is the size of a packet up to which copying it beats describing
	// it to the device and keeping it until that is done.
	txCopy = txSlot - spec.NetHeaderLen
	// txSlot is the size of the memory of each descriptor of the transmit ring:
	// for a NetHeader and a small packet.
	txSlot = 256

	maxPacket = 14 + 65535 // a large segment with its Ethernet header

	// firstBuffers is how many receive buffers the device gets at first: to
	// touch memory is what starting up is made of. It is more than enough for
	// one large segment, as it must be.
	firstBuffers = 64

	netWanted = spec.FeatureEventIdx | spec.FeatureIndirect | spec.NetMAC | spec.NetMTU |
		spec.NetCSum | spec.NetHostTSO4 | spec.NetHostTSO6 |
		spec.NetMrgRxBuf | spec.NetGuestCSum | spec.NetGuestTSO4 | spec.NetGuestTSO6
)

// OpenNet starts the network card behind t.
func OpenNet(t Transport) (*Net, error) {
	if t.DeviceID() != spec.DeviceNet {
		return nil, deviceError("not a network device")
	}
	wanted := uint64(netWanted)
	if offered := t.Features(); offered&spec.NetMrgRxBuf == 0 || offered&spec.NetGuestCSum == 0 {
		// Large segments would need buffers of 64 KiB each, and checksums.
		wanted &^= spec.NetGuestTSO4 | spec.NetGuestTSO6
	}
	f, err := negotiate(t, wanted, 0)
	if err != nil {
		return nil, err
	}
	n := &Net{features: f, mtu: 1500}
	if f&spec.NetMAC != 0 {
		n.readMAC(t)
	} else {
		rt.Random(n.mac[:])
		n.mac[0] = n.mac[0]&^1 | 2 // unicast, locally administered
	}
	if f&spec.NetMTU != 0 {
		n.mtu = int(t.Config(spec.NetConfigMTU, 2))
		if n.mtu < 68 {
			return nil, deviceError("the network device has an impossible MTU")
		}
	}
	rx, err := newQueue(t, spec.NetQueueRX, f&^spec.FeatureIndirect, 0, 0) // buffers are in one piece
	if err != nil {
		return nil, err
	}
	tx, err := newQueue(t, spec.NetQueueTX, f, 0, txSlot)
	if err != nil {
		return nil, err
	}
	header := spec.NetHeaderLen
	if t.Legacy() && f&spec.NetMrgRxBuf == 0 {
		header = spec.NetHeaderLenShort
	}
	n.Tx = newTxQueue(tx, header)
	n.Rx = &RxQueue{q: rx, tx: n.Tx, header: header, bufs: make([]rxBuffer, rx.size), mergeable: f&spec.NetMrgRxBuf != 0}
	ready(t, rx, tx)
	return n, nil
}

// readMAC reads the card's address, in two accesses: each is an exit.
func (n *Net) readMAC(t Transport) {
	low, high := t.Config(spec.NetConfigMAC, 4), t.Config(spec.NetConfigMAC+4, 2)
	for i := range n.mac {
		n.mac[i] = byte((uint64(high)<<32 | uint64(low)) >> (8 * i))
	}
}

// MAC is the card's Ethernet address.
func (n *Net) MAC() [6]byte { return n.mac }

// MTU is the largest packet on the wire, without the Ethernet header.
func (n *Net) MTU() int { return n.mtu }

// TxChecksum reports whether packets may be sent with NetNeedsCSum.
func (n *Net) TxChecksum() bool { return n.features&spec.NetCSum != 0 }

// TSO reports whether TCP segments of up to 64 KiB may be sent, over IPv4 and
// over IPv6, with the GSO fields of NetHeader.
func (n *Net) TSO() (v4, v6 bool) {
	return n.TxChecksum() && n.features&spec.NetHostTSO4 != 0, n.TxChecksum() && n.features&spec.NetHostTSO6 != 0
}

// TxQueue sends packets. A batch of them is sent by
//
//	q.Begin()
//	for … { err = q.Send(&header, data, owner) }
//	q.End()
//
// from any goroutine; Begin waits while another one is sending.
//
// A doorbell costs as much as several small packets. So it is rung at once only
// when much is waiting; else when the goroutines that are ready to run now, and
// will often send too, have run.
type TxQueue struct {
	mu      sync.Mutex // held from Begin to End
	q       *queue
	header  int     // length of a NetHeader
	owners  []Owner // by head of the chain; nil: none
	packets int     // sent since the last doorbell
	bytes   int
}

// What may wait for a doorbell that is put off.
const (
	txMaxPackets = 96
	txMaxBytes   = 256 << 10
)

func newTxQueue(q *queue, header int) *TxQueue {
	return &TxQueue{q: q, header: header, owners: make([]Owner, q.size)}
}

// Begin starts a batch.
func (t *TxQueue) Begin() {
	t.mu.Lock()
	t.reclaim()
}

// Send sends the packet that is the concatenation of data, with h in front.
// While the ring is full it waits. The memory of data must stay unchanged until
// owner's DecRef is called, which may happen before Send returns; data itself
// may be reused at once. owner is released on an error as well; errors are the
// device's fault and permanent, but for a packet of more pieces than the ring
// has places.
func (t *TxQueue) Send(h *NetHeader, data [][]byte, owner Owner) error {
	q := t.q
	if err := t.waitRoom(1); err != nil {
		owner.DecRef()
		return err
	}
	size := 0
	for _, b := range data {
		size += len(b)
	}
	t.packets++
	t.bytes += size
	slot := t.slot(q.head())
	q.begin()
	if size <= txCopy {
		h.Encode(slot) // a header that is shorter lacks the end, where data go
		b := slot[t.header:]
		for _, d := range data {
			b = b[copy(b, d):]
		}
		q.append(slot[:t.header+size], 0)
		q.submit()
		owner.DecRef()
		return nil
	}
	q.append(slot[:t.header], 0)
	for _, b := range data {
		q.append(b, 0)
	}
	if err := t.waitRoom(q.room()); err != nil {
		owner.DecRef()
		return err
	}
	// Waiting may have put another descriptor on top of the stack of free ones.
	head := q.head()
	slot = t.slot(head)
	q.scratch[0].Addr = rt.DeviceAddr(unsafe.Pointer(&slot[0]))
	h.Encode(slot)
	t.owners[head] = owner
	q.submit()
	return nil
}

// slot returns the txSlot bytes of descriptor i.
func (t *TxQueue) slot(i uint16) []byte { return t.q.extra[int(i)*txSlot:][:txSlot] }

// End ends the batch: the device is notified, if it wants to be, now or soon.
func (t *TxQueue) End() {
	if t.packets > txMaxPackets || t.bytes > txMaxBytes {
		t.kick()
	} else if t.q.wantsKick() {
		t.q.t.NotifySoon(t.q.index)
	}
	t.mu.Unlock()
}

// kick notifies the device, if it wants to be.
func (t *TxQueue) kick() {
	t.packets, t.bytes = 0, 0
	t.q.kick()
}

// waitRoom waits until n descriptors are free.
func (t *TxQueue) waitRoom(n int) error {
	q := t.q
	if n > int(q.size) {
		return errTooLong
	}
	for len(q.free) < n && q.err == nil {
		t.kick()
		if t.reclaim(); len(q.free) < n {
			// Sleep until much is free, not to be woken for every packet.
			q.wait(q.seen, max(1, q.pending/2))
		}
	}
	return q.err
}

// reclaim takes back what the device has sent.
func (t *TxQueue) reclaim() {
	for {
		head, _, ok := t.q.next()
		if !ok {
			return
		}
		if o := t.owners[head]; o != nil {
			t.owners[head] = nil
			o.DecRef()
		}
	}
}

// tryReclaim is reclaim, unless somebody is sending, who does it himself.
func (t *TxQueue) tryReclaim() {
	if t.mu.TryLock() {
		t.reclaim()
		t.mu.Unlock()
	}
}

// RxQueue receives packets.
type RxQueue struct {
	q         *queue
	tx        *TxQueue // its memory is reclaimed on the way
	header    int      // length of a NetHeader
	goal      int      // number of buffers that the device should have
	bufs      []rxBuffer
	spare     rxBuffer  // got from the handler, but there was no room for it
	hdr       NetHeader // of one packet
	parts     []RxPart
	mergeable bool
}

// rxBuffer is a buffer that the device has, by head of its chain.
type rxBuffer struct {
	mem   []byte
	owner any
}

// Serve gives the device h's buffers and h the packets, for ever. It returns
// when the device breaks the protocol.
func (r *RxQueue) Serve(h RxHandler) error {
	r.goal = min(firstBuffers, int(r.q.size))
	for {
		// Not after each packet: whoever it woke waits for the CPU. Seven eighths are
		// enough for one large segment, too.
		if int(r.q.pending) <= r.goal*7/8 {
			r.refill(h)
		}
		r.tx.tryReclaim()
		for r.q.idle() && r.q.err == nil {
			r.q.wait(r.q.seen, 1)
		}
		for {
			got, err := r.packet(h)
			if err != nil {
				return err
			}
			if !got {
				break
			}
			// Long before the device runs out of buffers. That it could means
			// that it needs more.
			if int(r.q.pending) < r.goal/2 {
				r.goal = int(r.q.size)
				r.refill(h)
			}
		}
		h.Flush()
	}
}

// refill gives the device buffers until it has as many as it should, or the
// ring is full.
func (r *RxQueue) refill(h RxHandler) {
	q := r.q
	for int(q.pending) < r.goal && len(q.free) > 0 {
		b := r.spare
		if r.spare = (rxBuffer{}); b.mem == nil {
			b.mem, b.owner = h.Buffer()
		}
		q.begin()
		q.append(b.mem, spec.DescWrite)
		if q.room() > len(q.free) {
			r.spare = b // crosses pages: takes more places than are left
			break
		}
		r.bufs[q.head()] = b
		q.submit()
	}
	q.kick()
}

// packet gives h the next packet, if there is one.
func (r *RxQueue) packet(h RxHandler) (bool, error) {
	r.parts = r.parts[:0]
	left := 1 // buffers of this packet still to come
	total := 0
	for left > 0 {
		head, n, ok := r.q.next()
		if !ok {
			if r.q.err == nil && len(r.parts) > 0 {
				r.q.fail("the device returned part of a packet")
			}
			return false, r.q.err
		}
		b := r.bufs[head]
		r.bufs[head] = rxBuffer{}
		part := RxPart{Owner: b.owner, Len: int(n)}
		if len(r.parts) == 0 {
			if int(n) < r.header {
				r.q.fail("the device returned a packet without a header")
				return false, r.q.err
			}
			r.hdr.Decode(b.mem)
			if r.mergeable {
				left = int(r.hdr.NumBuffers)
			}
			part.Off = r.header
			part.Len -= r.header
		}
		r.parts = append(r.parts, part)
		total += part.Len
		left--
	}
	if left < 0 || total > maxPacket {
		r.q.fail("the device returned a packet of an impossible size")
		return false, r.q.err
	}
	h.Packet(&r.hdr, r.parts)
	return true, nil
}

const errTooLong = callError("virtio: the packet has more pieces than the ring has places")
