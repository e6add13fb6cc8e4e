//go:build ringo

package stack

import "io"

// packetSender is whom a packet's memory is charged to.
type packetSender interface {
	// PacketReleased is called when the packet needs its memory no longer.
	PacketReleased(size int64)
}

// packetCharge is what a packet's sender was charged. As a function of its own for each
// packet (PacketBufferOptions.OnRelease) it would have to be allocated.
type packetCharge struct {
	to   packetSender // nil: nobody
	size int64
}

func (c *packetCharge) release() {
	if c.to != nil {
		c.to.PacketReleased(c.size)
	}
}

// Charge has the sender told, with the size, when the packet is released.
func (pk *PacketBuffer) Charge(to packetSender, size int64) { pk.charge = packetCharge{to, size} }

// copyTo writes the data to dst, without changing the packet.
func (d PacketData) copyTo(dst io.Writer) (int, error) {
	done := 0
	views, skip := d.pk.buf.AsViewList(), d.pk.dataOffset()
	for v := views.Front(); v != nil; v = v.Next() {
		if skip >= v.Size() {
			skip -= v.Size()
			continue
		}
		n, err := dst.Write(v.AsSlice()[skip:])
		done += n
		if err != nil {
			return done, err
		}
		skip = 0
	}
	return done, nil
}
