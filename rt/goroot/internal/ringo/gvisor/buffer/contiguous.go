//go:build ringo

package buffer

// Contiguous returns the bytes from offset on if they lie in the buffer's first
// view, which nobody shares, else nil.
func (b *Buffer) Contiguous(offset, length int) []byte {
	v := b.data.Front()
	if v == nil || v.sharesChunk() {
		return nil
	}
	start := v.read + offset
	if uint(length-1) >= uint(v.write-start) { // none is wanted, or they end elsewhere
		return nil
	}
	return v.chunk.data[start : start+length]
}
