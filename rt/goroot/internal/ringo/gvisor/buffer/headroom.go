//go:build ringo

package buffer

import "io"

// ReadAfter fills an empty buffer with size bytes of r that lie in one piece, with room
// for headers before them (see UseHeadroom) if there is a chunk for both.
func (b *Buffer) ReadAfter(room int, r io.Reader, size int) error {
	if room+size > MaxChunkSize {
		_, err := b.WriteFromReader(r, int64(size))
		return err
	}
	v := NewView(room + size)
	v.read, v.write = room, room+size
	b.Append(v)
	for p := v.AsSlice(); len(p) > 0; {
		n, err := r.Read(p)
		if n == 0 && err != nil {
			return err
		}
		p = p[n:]
	}
	return nil
}

// UseHeadroom makes the buffer begin n zero bytes earlier, if there is room in its
// first chunk and nobody shares that.
func (b *Buffer) UseHeadroom(n int) bool {
	v := b.data.Front()
	if v == nil || v.read < n || v.sharesChunk() {
		return false
	}
	v.read -= n
	b.size += int64(n)
	clear(v.chunk.data[v.read : v.read+n])
	return true
}
