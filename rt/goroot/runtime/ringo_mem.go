//go:build ringo

package runtime

import (
	ringoabi "ringo.dev/ringo/vmm/abi"
	"unsafe"
)

// ringoRegion is one mapping: [start, end) with a protection (abi.Prot*, or
// ringoProtKept; 0 is a reservation, which the machine does not hear of).
type ringoRegion struct {
	start, end uintptr
	prot       int
}

// ringoProtKept is the protection of memory that mprotect has taken all access
// from: unlike a reservation it may have contents, which the machine keeps.
const ringoProtKept = 8

// ringoMaxRegions bounds the table; neighbours of one protection are merged, so
// that few are in use. An untouched part of the table costs nothing.
const ringoMaxRegions = 1 << 15

// ringoMem is the address space: sorted regions within [low, high). What the
// machine placed itself (image, stack, its pages) lies outside or was there first.
var ringoMem struct {
	lock      ringoSpin
	low, high uintptr
	next      uintptr // where the search for free space starts, downwards
	mapped    uintptr // bytes with a protection other than 0
	n         int
	region    [ringoMaxRegions]ringoRegion
}

func ringoMemInit(low, high uintptr) {
	ringoMem.low, ringoMem.high, ringoMem.next = low, high, high
}

func ringoPageUp(n uintptr) uintptr {
	return (n + ringoabi.PageSize - 1) &^ (ringoabi.PageSize - 1)
}

// ringoFind returns the index of the first region that ends above addr.
func ringoFind(addr uintptr) int {
	lo, hi := 0, ringoMem.n
	for lo < hi {
		mid := (lo + hi) / 2
		if ringoMem.region[mid].end <= addr {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

// ringoFree reports whether no region overlaps [addr, addr+n).
func ringoFree(addr, n uintptr) bool {
	if addr < ringoMem.low || addr+n < addr || addr+n > ringoMem.high {
		return false
	}
	i := ringoFind(addr)
	return i == ringoMem.n || ringoMem.region[i].start >= addr+n
}

// ringoSearch returns a free range of n bytes, the highest below next, or 0.
func ringoSearch(n uintptr) uintptr {
	for pass := 0; pass < 2; pass++ {
		top := ringoMem.next
		for i := ringoFind(top-1) - 1; ; i-- {
			if i+1 < ringoMem.n && ringoMem.region[i+1].start < top {
				top = ringoMem.region[i+1].start
			}
			bottom := ringoMem.low
			if i >= 0 {
				bottom = ringoMem.region[i].end
			}
			if top >= bottom && top-bottom >= n {
				ringoMem.next = top - n
				return top - n
			}
			if i < 0 {
				break
			}
			top = ringoMem.region[i].start
		}
		ringoMem.next = ringoMem.high // start over from the top, once
	}
	return 0
}

// ringoPut replaces region i..j-1 by the given ones (at most three).
func ringoPut(i, j int, with *[3]ringoRegion, k int) bool {
	r := &ringoMem.region
	if ringoMem.n+k-(j-i) > ringoMaxRegions {
		return false
	}
	if tail := ringoMem.n - j; tail > 0 && i+k != j {
		memmove(unsafe.Pointer(&r[i+k]), unsafe.Pointer(&r[j]), uintptr(tail)*unsafe.Sizeof(r[0]))
	}
	for x := 0; x < k; x++ {
		r[i+x] = with[x]
	}
	ringoMem.n += k - (j - i)
	return true
}

// ringoSet gives [start, end) the protection prot, or frees it when prot is -1.
// Parts of regions outside stay as they are.
func ringoSet(start, end uintptr, prot int) bool {
	var with [3]ringoRegion
	k := 0
	i := ringoFind(start)
	j := i
	gone := uintptr(0)
	for ; j < ringoMem.n && ringoMem.region[j].start < end; j++ {
		r := ringoMem.region[j]
		if r.start < start {
			with[k] = ringoRegion{r.start, start, r.prot}
			k++
		}
		if r.prot > 0 {
			gone += min(r.end, end) - max(r.start, start)
		}
	}
	var after ringoRegion
	if j > i && ringoMem.region[j-1].end > end {
		after = ringoRegion{end, ringoMem.region[j-1].end, ringoMem.region[j-1].prot}
	}
	if prot >= 0 {
		mid := ringoRegion{start, end, prot}
		if k > 0 && with[k-1].prot == prot {
			k--
			mid.start = with[k].start
		} else if k == 0 && i > 0 && ringoMem.region[i-1].end == start && ringoMem.region[i-1].prot == prot {
			i--
			mid.start = ringoMem.region[i].start
		}
		if after.end != 0 && after.prot == prot {
			mid.end = after.end
			after.end = 0
		} else if after.end == 0 && j < ringoMem.n && ringoMem.region[j].start == end && ringoMem.region[j].prot == prot {
			mid.end = ringoMem.region[j].end
			j++
		}
		with[k] = mid
		k++
	}
	if after.end != 0 {
		with[k] = after
		k++
	}
	if !ringoPut(i, j, &with, k) {
		return false
	}
	ringoMem.mapped -= gone
	if prot > 0 {
		ringoMem.mapped += end - start
	}
	return true
}

// ringoEachMapped calls the platform's op for every part of [start, end) that
// the machine knows of.
func ringoEachMapped(start, end uintptr, op uint8) {
	for i := ringoFind(start); i < ringoMem.n && ringoMem.region[i].start < end; i++ {
		r := &ringoMem.region[i]
		if r.prot == 0 {
			continue
		}
		lo, hi := max(r.start, start), min(r.end, end)
		switch op {
		case ringoOpUnmap:
			ringoPlatUnmap(lo, hi-lo)
		case ringoOpDiscard:
			ringoPlatDiscard(lo, hi-lo)
		}
	}
}

const (
	ringoOpUnmap = iota
	ringoOpDiscard
)

// ringoMmap answers mmap(2) for anonymous memory.
func ringoMmap(addr, n uintptr, prot int, flags uintptr) int64 {
	const fixed, fixedNoReplace, anonymous = 0x10, 0x100000, 0x20
	if flags&anonymous == 0 {
		return -ringoENODEV // files are the kernel's
	}
	if prot&(ringoabi.ProtWrite|ringoabi.ProtExec) == ringoabi.ProtWrite|ringoabi.ProtExec {
		return -ringoEACCES // writable code is refused: W^X
	}
	if n == 0 || n > ringoMem.high {
		return -ringoEINVAL
	}
	prot &= 7
	n = ringoPageUp(n)
	ringoMem.lock.lock()
	r := int64(-ringoENOMEM)
	switch {
	case flags&fixed != 0 && addr%ringoabi.PageSize == 0 && addr >= ringoMem.low && addr+n > addr && addr+n <= ringoMem.high:
		ringoEachMapped(addr, addr+n, ringoOpUnmap)
		r = int64(addr)
	case flags&(fixed|fixedNoReplace) != 0:
		if addr%ringoabi.PageSize != 0 {
			r = -ringoEINVAL
		} else if ringoFree(addr, n) {
			r = int64(addr)
		} else if flags&fixedNoReplace != 0 {
			r = -ringoEEXIST
		}
	case addr != 0 && ringoFree(ringoPageUp(addr), n):
		r = int64(ringoPageUp(addr))
	default:
		if at := ringoSearch(n); at != 0 {
			r = int64(at)
		}
	}
	if r > 0 {
		if !ringoSet(uintptr(r), uintptr(r)+n, prot) {
			r = -ringoENOMEM
		} else if prot != 0 {
			if e := ringoPlatMap(uintptr(r), n, prot); e < 0 {
				ringoSet(uintptr(r), uintptr(r)+n, -1)
				r = e
			}
		}
	}
	ringoMem.lock.unlock()
	return r
}

// ringoKernelMemory maps n bytes for rt itself at the top of a free range of
// stride bytes; below them is a guard. It returns their address, or 0.
func ringoKernelMemory(n, stride uintptr) uintptr {
	at := ringoMmap(0, stride, 0, 0x22)
	if at < 0 {
		return 0
	}
	lo := uintptr(at) + stride - n
	if ringoMmap(lo, n, ringoabi.ProtRead|ringoabi.ProtWrite, 0x32) < 0 {
		return 0
	}
	return lo
}

// ringoMunmap answers munmap(2).
func ringoMunmap(addr, n uintptr) int64 {
	n = ringoPageUp(n)
	if addr%ringoabi.PageSize != 0 || n == 0 || addr+n < addr || addr < ringoMem.low || addr+n > ringoMem.high {
		return -ringoEINVAL
	}
	ringoMem.lock.lock()
	ringoEachMapped(addr, addr+n, ringoOpUnmap)
	ok := ringoSet(addr, addr+n, -1)
	ringoMem.lock.unlock()
	if !ok {
		return -ringoENOMEM
	}
	return 0
}

// ringoMprotect answers mprotect(2) on memory that mmap gave.
func ringoMprotect(addr, n uintptr, prot int) int64 {
	n = ringoPageUp(n)
	if addr%ringoabi.PageSize != 0 || addr+n < addr {
		return -ringoEINVAL
	}
	if prot&(ringoabi.ProtWrite|ringoabi.ProtExec) == ringoabi.ProtWrite|ringoabi.ProtExec {
		return -ringoEACCES
	}
	if n == 0 {
		return 0
	}
	ringoMem.lock.lock()
	r := int64(0)
	for at := addr; at < addr+n; {
		i := ringoFind(at)
		if i == ringoMem.n || ringoMem.region[i].start > at {
			r = -ringoENOMEM
			break
		}
		at = ringoMem.region[i].end
	}
	prot &= 7
	if r == 0 {
		r = ringoPlatMap(addr, n, prot)
	}
	if prot == 0 {
		prot = ringoProtKept
	}
	if r == 0 && !ringoSet(addr, addr+n, prot) {
		r = -ringoENOMEM
	}
	ringoMem.lock.unlock()
	return r
}

// ringoMadvise answers madvise(2): contents that are not needed go back to the
// machine; other advice has no effect here.
func ringoMadvise(addr, n, advice uintptr) int64 {
	const dontneed, free, hugepage, nohugepage = 4, 8, 14, 15
	n = ringoPageUp(n)
	if addr%ringoabi.PageSize != 0 || addr+n < addr {
		return -ringoEINVAL
	}
	switch {
	case advice == dontneed, advice == free:
		ringoMem.lock.lock()
		ringoEachMapped(addr, addr+n, ringoOpDiscard)
		ringoMem.lock.unlock()
		return 0
	case advice <= 3, advice == hugepage, advice == nohugepage:
		return 0
	}
	return -ringoEINVAL
}

// ringoMappedRange reports whether all of [addr, addr+n) may be read, and
// written if asked. Image and main stack count as mapped.
func ringoMappedRange(addr, n uintptr, write bool) bool {
	end := addr + n
	if end < addr || addr < ringoabi.PageSize {
		return false
	}
	if addr < ringoMem.low || addr >= ringoMem.high {
		return ringoImageRange(addr, end, write)
	}
	ok := true
	ringoMem.lock.lock()
	for addr < end {
		i := ringoFind(addr)
		if i == ringoMem.n || ringoMem.region[i].start > addr ||
			ringoMem.region[i].prot&ringoabi.ProtRead == 0 || write && ringoMem.region[i].prot&ringoabi.ProtWrite == 0 {
			ok = false
			break
		}
		addr = ringoMem.region[i].end
	}
	ringoMem.lock.unlock()
	return ok
}

// ringoImageRange is ringoMappedRange for the program's own segments and the
// start-up stack, which lie outside [low, high).
func ringoImageRange(addr, end uintptr, write bool) bool {
	m := &firstmoduledata
	switch {
	case addr >= m.noptrdata && end <= m.end: // data and bss
		return true
	case addr >= m.text && end <= m.etext, addr >= m.rodata && end <= m.noptrdata:
		return !write
	case addr >= uintptr(ringoBootPage.StackLow) && end <= uintptr(ringoBootPage.StackHigh):
		return true
	}
	return false
}

// ringoRegionAfter stores the first region that ends above addr; it returns 0
// if there is none.
func ringoRegionAfter(addr uintptr, r *ringoRegion) int64 {
	ringoMem.lock.lock()
	i := ringoFind(addr)
	found := i < ringoMem.n
	if found {
		*r = ringoMem.region[i]
	}
	ringoMem.lock.unlock()
	if !found {
		return 0
	}
	return 1
}
