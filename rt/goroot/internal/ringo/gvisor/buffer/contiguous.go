//go:build ringo

package buffer

// Contiguous returns the bytes from offset on if they lie in the buffer's first
// view, which nobody shares, else nil.
func (b *Buffer) Contiguous(offset, length int) []byte {
	v := b.data.Front()
	if v == nil || offset < 0 || length <= 0 || length > v.Size()-offset || v.sharesChunk() {
		return nil
	}
	return v.chunk.data[v.read+offset : v.read+offset+length]
}
