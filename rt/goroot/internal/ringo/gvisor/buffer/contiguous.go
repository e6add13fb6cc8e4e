//go:build ringo

package buffer

// Contiguous returns the bytes from offset on if they lie in the buffer's first
// view, which nobody shares, else nil.
func (b *Buffer) Contiguous(offset, length int) []byte {
	v := b.data.head
	if v == nil {
		return nil
	}
	c := v.chunk
	if c.refCount.Load() > 1 {
		return nil
	}
	start := v.read + offset
	if length == 0 || start+length > v.write { // none is wanted, or they end elsewhere
		return nil
	}
	return c.data[start : start+length]
}
