package space

import (
	"math/bits"
	"slices"
)

// frames gives out the page frames of the ram part: whole blocks for demand
// paging, so that neighbours in the guest are neighbours in the host, and
// single ones from broken blocks.
type frames struct {
	base   uint64   // arena offset of the first frame
	used   []uint16 // one word a block, one bit a frame
	fresh  int      // no block below is wholly free
	broken int      // no block below has a free frame
}

func newFrames(base, n uint64) frames {
	f := frames{base: base, used: make([]uint16, (n+blockPages-1)/blockPages)}
	if rest := n % blockPages; rest != 0 {
		f.used[len(f.used)-1] = 0xffff << rest
	}
	return f
}

// block takes blockPages frames in a row and returns their arena offset.
func (f *frames) block() (off uint64, ok bool) {
	for ; f.fresh < len(f.used); f.fresh++ {
		if f.used[f.fresh] == 0 {
			f.used[f.fresh] = 0xffff
			return f.base + uint64(f.fresh)*blockSize, true
		}
	}
	return 0, false
}

// large takes the frames of a large page and returns their arena offset, which is a
// multiple of its size if base is.
func (f *frames) large() (off uint64, ok bool) {
	i, ok := f.findLarge()
	if !ok {
		return 0, false
	}
	for n := range largeBlocks {
		f.used[i+n] = 0xffff
	}
	return f.base + uint64(i)*blockSize, true
}

const largeBlocks = LargePage / blockSize

// findLarge returns the first block of the large page that large takes.
func (f *frames) findLarge() (i int, ok bool) {
	for i := (f.fresh + largeBlocks - 1) / largeBlocks * largeBlocks; i+largeBlocks <= len(f.used); i += largeBlocks {
		if slices.Max(f.used[i:i+largeBlocks]) == 0 {
			return i, true
		}
	}
	return 0, false
}

// one takes a single frame.
func (f *frames) one() (off uint64, ok bool) {
	for ; f.broken < len(f.used); f.broken++ {
		if u := f.used[f.broken]; u != 0xffff {
			bit := bits.TrailingZeros16(^u)
			f.used[f.broken] |= 1 << bit
			return f.base + uint64(f.broken)*blockSize + uint64(bit)*page, true
		}
	}
	return 0, false
}

// free gives back the frame at an arena offset.
func (f *frames) free(off uint64) {
	i := int((off - f.base) / blockSize)
	f.used[i] &^= 1 << ((off - f.base) % blockSize / page)
	f.broken = min(f.broken, i)
	if f.used[i] == 0 {
		f.fresh = min(f.fresh, i)
	}
}
