// Package e1000 drives Intel's 8254x Ethernet cards, which VirtualBox, VMware,
// Xen, bochs and QEMU imitate (PCI/PCI-X Family of Gigabit Ethernet Controllers
// Software Developer's Manual). A Card has the interface of *virtio.Net, whose
// types for packets it uses, but no offloads: the cards imitated are slow
// whatever the driver does. So packets are copied.
package e1000

import (
	"errors"
	"runtime"
	"sync"
	"time"
	"unsafe"

	"ringo.dev/ringo/drivers/pci"
	"ringo.dev/ringo/drivers/virtio"
	"ringo.dev/ringo/rt"
)

// Registers: offsets in BAR 0.
const (
	regControl = 0x0000
	regEEPROM  = 0x0014
	regCause   = 0x00c0 // reading it releases the interrupt line
	regEnable  = 0x00d0 // interrupts
	regDisable = 0x00d8
	regRx      = 0x0100
	regTx      = 0x0400
	regTxGap   = 0x0410
	regRxRing  = 0x2800
	regTxRing  = 0x3800
	regGroups  = 0x5200 // multicast table, 128 words
	regAddrLow = 0x5400
	regSize    = 0x6000

	// From the beginning of a ring's registers.
	ringLow, ringHigh, ringBytes, ringHead, ringTail = 0x00, 0x04, 0x08, 0x10, 0x18
)

// Bits of registers.
const (
	controlReset    = 1 << 26
	controlLinkUp   = 1 << 6
	controlAutoRate = 1 << 5

	eepromStart = 1 << 0
	eepromDone  = 1 << 4

	addrValid = 1 << 31

	rxEnable    = 1 << 1
	rxGroups    = 1 << 4 // all multicast packets
	rxBroadcast = 1 << 15
	rxStripCRC  = 1 << 26

	txEnable = 1<<1 | 1<<3 | 0x10<<4 | 0x40<<12 // and padding, collision values
	txGap    = 10 | 8<<10 | 6<<20

	causes = 1<<7 | 1<<6 | 1<<4 // packets received, overrun, few descriptors
)

// vendor and models are the cards' PCI IDs.
const vendor = 0x8086

var models = [...]uint16{
	0x100e, // 82540EM
	0x100f, // 82545EM
	0x1004, // 82543GC
	0x100c, // 82544GC
}

const (
	ringSize   = 128
	bufferSize = 2048 // the card's default

	done      = 1 << 0 // status of a descriptor
	endPacket = 1 << 1 // of a receive descriptor

	commandSend = 1<<0 | 1<<1 | 1<<3 // end of packet, add CRC, report status
)

// desc is a descriptor of either ring. The card writes length, status and errors
// of received packets, and the status of packets that it has sent.
type desc struct {
	addr   uint64
	length uint16
	_      uint8
	cmd    uint8
	status uint8
	errors uint8
	_      uint16
}

// ring is a ring of descriptors, each with a buffer of its own.
type ring struct {
	descs   *[ringSize]desc
	buffers *[ringSize][bufferSize]byte
	next    int // the descriptor to look at next
}

// Card is a network card.
type Card struct {
	regs uintptr
	mac  [6]byte

	mu sync.Mutex // held from Begin to End
	tx ring
	rx ring
}

// Find returns the machine's cards, started.
func Find() ([]*Card, error) {
	var cards []*Card
	for _, d := range pci.Devices() {
		for _, id := range models {
			if d.Vendor != vendor || d.ID != id {
				continue
			}
			c, err := open(&d)
			if err != nil {
				return cards, err
			}
			cards = append(cards, c)
		}
	}
	return cards, nil
}

// open starts a card.
func open(d *pci.Device) (*Card, error) {
	c := &Card{regs: d.Map(0, 0, regSize)}
	if c.regs == 0 {
		return nil, errors.New("e1000: the card's registers are out of reach")
	}
	d.Enable(pci.CommandMemory | pci.CommandMaster)
	c.store(regControl, c.load(regControl)|controlReset)
	time.Sleep(time.Millisecond)
	if c.load(regControl)&controlReset != 0 {
		return nil, errors.New("e1000: the card does not come out of its reset")
	}
	c.store(regDisable, ^uint32(0))
	c.store(regControl, c.load(regControl)|controlLinkUp|controlAutoRate)
	for i := range uintptr(128) {
		c.store(regGroups+4*i, 0)
	}
	if err := c.readMAC(); err != nil {
		return nil, err
	}
	c.rx, c.tx = c.newRing(regRxRing), c.newRing(regTxRing)
	c.store(regTxGap, txGap)
	c.store(regTx, txEnable)
	c.store(regRxRing+ringTail, ringSize-1)
	c.store(regRx, rxEnable|rxGroups|rxBroadcast|rxStripCRC)
	rt.ConnectLine(d.Line(), rt.AckLoad32, c.regs+regCause)
	c.load(regCause)
	c.store(regEnable, causes)
	return c, nil
}

// readMAC reads the card's address. A reset loads it from the EEPROM into the
// registers that receiving looks at; bochs leaves that to the driver.
func (c *Card) readMAC() error {
	low, high := c.load(regAddrLow), c.load(regAddrLow+4)
	if high&addrValid == 0 {
		var words [3]uint32
		for i := range words {
			var ok bool
			if words[i], ok = c.readEEPROM(uint32(i)); !ok {
				return errors.New("e1000: the card's EEPROM, which has its address, cannot be read")
			}
		}
		low, high = words[0]|words[1]<<16, words[2]|addrValid
		c.store(regAddrLow, low)
		c.store(regAddrLow+4, high)
	}
	for i := range c.mac {
		c.mac[i] = byte((uint64(high)<<32 | uint64(low)) >> (8 * i))
	}
	return nil
}

// readEEPROM reads a 16-bit word. It reports whether the card answered.
func (c *Card) readEEPROM(word uint32) (v uint32, ok bool) {
	c.store(regEEPROM, eepromStart|word<<8)
	for range 100 {
		if v := c.load(regEEPROM); v&eepromDone != 0 {
			return v >> 16, true
		}
		time.Sleep(50 * time.Microsecond)
	}
	return 0, false
}

func (c *Card) load(reg uintptr) uint32     { return rt.Load32(c.regs + reg) }
func (c *Card) store(reg uintptr, v uint32) { rt.Store32(c.regs+reg, v) }

// newRing makes a ring and tells the card, at registers reg, where it is.
func (c *Card) newRing(reg uintptr) ring {
	const descs = unsafe.Sizeof([ringSize]desc{})
	mem := rt.AllocDevice(descs + ringSize*bufferSize)
	r := ring{
		descs:   (*[ringSize]desc)(mem),
		buffers: (*[ringSize][bufferSize]byte)(unsafe.Add(mem, descs)),
	}
	for i := range r.descs {
		r.descs[i].addr = rt.DeviceAddr(unsafe.Pointer(&r.buffers[i]))
		r.descs[i].status = done // free, of the transmit ring
		if reg == regRxRing {
			r.descs[i].status = 0
		}
	}
	addr := rt.DeviceAddr(mem)
	c.store(reg+ringLow, uint32(addr))
	c.store(reg+ringHigh, uint32(addr>>32))
	c.store(reg+ringBytes, uint32(descs))
	c.store(reg+ringHead, 0)
	c.store(reg+ringTail, 0)
	return r
}

// MAC is the card's Ethernet address.
func (c *Card) MAC() [6]byte { return c.mac }

// MTU is the largest packet on the wire, without the Ethernet header.
func (c *Card) MTU() int { return 1500 }

// TSO reports that the card does not cut up large segments.
func (c *Card) TSO() (v4, v6 bool) { return false, false }

// Begin starts a batch of packets to be sent, as of virtio.TxQueue.
func (c *Card) Begin() { c.mu.Lock() }

// End ends the batch.
func (c *Card) End() {
	c.store(regTxRing+ringTail, uint32(c.tx.next))
	c.mu.Unlock()
}

// Send sends a packet; see virtio.TxQueue. It copies the packet, and waits
// while the ring is full.
func (c *Card) Send(_ *virtio.NetHeader, data [][]byte, owner virtio.Owner) error {
	defer owner.DecRef()
	r := &c.tx
	d := &r.descs[r.next]
	for rt.Load8(uintptr(unsafe.Pointer(&d.status)))&done == 0 {
		c.store(regTxRing+ringTail, uint32(r.next))
		runtime.Gosched()
	}
	buf := r.buffers[r.next][:0]
	for _, b := range data {
		if len(buf)+len(b) > bufferSize {
			return errors.New("e1000: the packet is too long")
		}
		buf = append(buf, b...)
	}
	d.length = uint16(len(buf))
	d.cmd = commandSend
	rt.Store8(uintptr(unsafe.Pointer(&d.status)), 0)
	r.next = (r.next + 1) % ringSize
	return nil
}

// Serve gives h the packets, for ever; see virtio.RxQueue.
func (c *Card) Serve(h virtio.RxHandler) error {
	for {
		if !c.receive(h) {
			h.Flush()
			virtio.WaitIndex(c.rx.descs[c.rx.next].state(), 0)
		}
	}
}

// receive takes back the next buffer if the card has filled it, and gives h the
// packet if it is whole.
func (c *Card) receive(h virtio.RxHandler) bool {
	r := &c.rx
	d := &r.descs[r.next]
	state := uintptr(unsafe.Pointer(d.state()))
	if rt.Load16(state) == 0 {
		return false
	}
	if n := int(d.length); d.status&endPacket != 0 && d.errors == 0 && n <= bufferSize {
		b, owner := h.Buffer()
		n = copy(b, r.buffers[r.next][:n])
		h.Packet(&virtio.NetHeader{}, []virtio.RxPart{{Owner: owner, Len: n}})
	}
	rt.Store16(state, 0)
	c.store(regRxRing+ringTail, uint32(r.next))
	r.next = (r.next + 1) % ringSize
	return true
}

// state is the status and errors of a receive descriptor, which are 0 until the
// card has filled the buffer.
func (d *desc) state() *uint16 { return (*uint16)(unsafe.Pointer(&d.status)) }
