//go:build ringo

package runtime

import (
	"internal/runtime/atomic"
	ringoabi "ringo.dev/ringo/vmm/abi"
)

// ringoDirect is where all physical memory is mapped, in one piece: address x
// of it at ringoDirect+x.
const ringoDirect = 0xffff_8000_0000_0000

// ringoFrames hands out physical memory by the page. ringoSpace.lock guards it.
var ringoFrames struct {
	free  uintptr // freed frames; each begins with the next one's address
	next  uintptr // frames from here to end were never used
	end   uintptr
	piece int // of ringoLoader.Memory that follows
}

// ringoFramesInit publishes how much memory there is.
func ringoFramesInit() {
	total := uint64(0)
	for _, r := range ringoLoader.Memory.List() {
		total += r.Hi - r.Lo
	}
	image := ringoImageBounds()
	ringoMetalBoot.MemBytes = total + image.Hi - image.Lo
	ringoMetalBoot.MemUsed = image.Hi - image.Lo
}

// ringoNextPiece goes on with the next range of memory, if there is one.
func ringoNextPiece() bool {
	f := &ringoFrames
	list := ringoLoader.Memory.List()
	if f.piece == len(list) {
		return false
	}
	f.next, f.end = uintptr(list[f.piece].Lo), uintptr(list[f.piece].Hi)
	f.piece++
	return true
}

// ringoAllocFrame returns the address of a free frame, zeroed, or 0.
func ringoAllocFrame() uintptr {
	f := &ringoFrames
	pa := f.free
	if pa != 0 {
		f.free = uintptr(ringoTable(pa)[0])
	} else {
		for f.next == f.end {
			if !ringoNextPiece() {
				return 0
			}
		}
		pa = f.next
		f.next += ringoabi.PageSize
	}
	atomic.Xadd64(&ringoMetalBoot.MemUsed, ringoabi.PageSize)
	ringoZeroPage(ringoDirect + pa)
	return pa
}

// ringoAllocFrames returns the address of n free frames in a row, zeroed, or 0.
func ringoAllocFrames(n uintptr) uintptr {
	f := &ringoFrames
	for {
		if n <= (f.end-f.next)/ringoabi.PageSize {
			break
		}
		for ; f.next < f.end; f.next += ringoabi.PageSize {
			ringoFreeFrame(f.next, f.next)
			atomic.Xadd64(&ringoMetalBoot.MemUsed, ringoabi.PageSize)
		}
		if !ringoNextPiece() {
			return 0
		}
	}
	pa := f.next
	f.next += n * ringoabi.PageSize
	for at := pa; at < f.next; at += ringoabi.PageSize {
		ringoZeroPage(ringoDirect + at)
	}
	atomic.Xadd64(&ringoMetalBoot.MemUsed, int64(n*ringoabi.PageSize))
	return pa
}

// ringoFreeFrame takes frames back: a list of them from first to last.
func ringoFreeFrame(first, last uintptr) {
	for at := first; ; at = uintptr(ringoTable(at)[0]) {
		atomic.Xadd64(&ringoMetalBoot.MemUsed, -ringoabi.PageSize)
		if at == last {
			break
		}
	}
	ringoTable(last)[0] = uint64(ringoFrames.free)
	ringoFrames.free = first
}
