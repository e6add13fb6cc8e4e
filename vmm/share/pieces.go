package share

// pieces are pieces of memory that stand for one after the other.
type pieces [][]byte

// size is that of all of them.
func (p pieces) size() (n int) {
	for _, b := range p {
		n += len(b)
	}
	return n
}

// first returns the first n bytes, or all if there are fewer.
func (p pieces) first(n int) pieces {
	var list pieces
	for _, b := range p {
		b = b[:min(n, len(b))]
		if len(b) > 0 {
			list = append(list, b)
		}
		n -= len(b)
	}
	return list
}

// skip returns what comes after the first n bytes.
func (p pieces) skip(n int) pieces {
	var list pieces
	for _, b := range p {
		k := min(n, len(b))
		if k < len(b) {
			list = append(list, b[k:])
		}
		n -= k
	}
	return list
}

// read fills b from the beginning, which is gone then, and reports whether there was
// enough.
func (p *pieces) read(b []byte) bool {
	n := 0
	for _, piece := range p.first(len(b)) {
		n += copy(b[n:], piece)
	}
	*p = p.skip(n)
	return n == len(b)
}

// write copies b to the beginning, as far as it fits, and returns how much that is.
func (p pieces) write(b []byte) (n int) {
	for _, piece := range p {
		n += copy(piece, b[n:])
	}
	return n
}
