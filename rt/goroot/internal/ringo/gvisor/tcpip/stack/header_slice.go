//go:build ringo

package stack

// headerSlice returns the bytes of a header. It is nearly always in the packet's
// first buffer, which nobody else has, and looked at dozens of times.
func (pk *PacketBuffer) headerSlice(typ headerType) []byte {
	if b := pk.buf.Contiguous(pk.headerOffsetOf(typ), pk.headers[typ].length); b != nil {
		return b
	}
	return pk.headerSliceElsewhere(typ)
}

func (pk *PacketBuffer) headerSliceElsewhere(typ headerType) []byte {
	view := pk.headerView(typ)
	return view.AsSlice()
}

// Length returns the number of bytes that Slice would return.
func (h PacketHeader) Length() int { return h.pk.headers[h.typ].length }
