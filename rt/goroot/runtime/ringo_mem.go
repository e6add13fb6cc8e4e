//go:build ringo

package runtime

import (
	"internal/runtime/atomic"
	"ringo.dev/ringo/rt/region"
	ringoabi "ringo.dev/ringo/vmm/abi"
	"unsafe"
)

// ringoMem is the address space that the runtime maps and unmaps. Of regions with
// protection 0 the machine does not hear. What the machine placed itself
// (image, stack, its pages) lies outside.
var ringoMem struct {
	lock  ringoSpin
	spare uintptr // where the next small mapping is cut off, see ringoCut
	table region.Table
}

// ringoProtKept is the protection of memory that mprotect has taken all access
// from: unlike a reservation it may have contents, which the machine keeps.
const ringoProtKept = 8

// Protections of file mappings, beside abi.Prot*. ringoProtFile marks addresses
// at which a file is mapped; ringoProtBeyond those of them that have no page, where
// an access is SIGBUS.
const (
	ringoProtFile   = 16
	ringoProtBeyond = 32
)

// ringoProtSpare is the protection of memory that the machine has mapped already and
// nobody has yet.
const ringoProtSpare = 64

func ringoPageUp(n uintptr) uintptr {
	return (n + ringoabi.PageSize - 1) &^ (ringoabi.PageSize - 1)
}

// ringoEachMapped calls the platform's op for every part of [start, end) that
// the machine knows of.
func ringoEachMapped(start, end uintptr, op uint8) {
	for i := ringoMem.table.Find(start); i < ringoMem.table.Len(); i++ {
		r := ringoMem.table.At(i)
		if r.Start >= end {
			return
		}
		if r.Prot == 0 {
			continue
		}
		lo, hi := max(r.Start, start), min(r.End, end)
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
	const shared, anonymous = 1, 0x20
	if flags&anonymous == 0 {
		return -ringoENODEV // files are the kernel's
	}
	if ringoWriteExec(prot) {
		return -ringoEACCES
	}
	prot &= 7
	// The heap's bookkeeping takes a pointer for each page of 8 KiB. Where there is no
	// room for that, it is better to say so now, to who asked for the memory.
	if prot&ringoabi.ProtWrite != 0 && uint64(n>>10) > ringoFreeMemory() {
		return -ringoENOMEM
	}
	if flags&shared != 0 && prot&ringoabi.ProtExec == 0 {
		prot |= ringoabi.ProtShare
	}
	return ringoMapRange(addr, n, prot, flags)
}

// ringoMapRange takes a range of addresses for memory with a protection: of the
// machine's if it has bits of abi.Prot*.
func ringoMapRange(addr, n uintptr, prot int, flags uintptr) int64 {
	const fixed, fixedNoReplace = 0x10, 0x100000
	t := &ringoMem.table
	if n == 0 || n > t.High || flags&(fixed|fixedNoReplace) != 0 && addr%ringoabi.PageSize != 0 {
		return -ringoEINVAL
	}
	n = ringoPageUp(n)
	ringoMem.lock.lock()
	at, mapped := uintptr(0), false
	r := int64(-ringoENOMEM)
	switch {
	case flags&fixedNoReplace != 0:
		if t.Free(addr, n) {
			at = addr
		} else if t.Inside(addr, n) {
			r = -ringoEEXIST
		}
	case flags&fixed != 0:
		if t.Inside(addr, n) {
			ringoEachMapped(addr, addr+n, ringoOpUnmap)
			at = addr
		}
	case addr != 0 && t.Free(ringoPageUp(addr), n):
		at = ringoPageUp(addr)
	default:
		if at = ringoCut(n, prot); at != 0 {
			mapped = true
		} else {
			at = t.Search(n)
		}
	}
	const access = ringoabi.ProtRead | ringoabi.ProtWrite | ringoabi.ProtExec
	if at != 0 && t.Set(at, at+n, prot&^ringoabi.ProtShare) {
		r = int64(at)
		if prot&access != 0 && !mapped {
			if e := ringoPlatMapNew(at, n, prot); e < 0 {
				t.Remove(at, at+n)
				r = e
			}
		}
	}
	ringoMem.lock.unlock()
	return r
}

// ringoMapAhead maps what ringoCut cuts small mappings from, if that is of use.
func ringoMapAhead() {
	const size = 256 << 10
	if !ringoPlatMapsAhead() {
		return
	}
	t := &ringoMem.table
	if at := t.Search(size); at != 0 && ringoPlatMapNew(at, size, ringoabi.ProtRead|ringoabi.ProtWrite) == 0 {
		t.Set(at, at+size, ringoProtSpare)
		ringoMem.spare = at
	}
}

// ringoCut returns n bytes of memory that the machine has mapped with the protection
// prot and nobody has, for the caller to take, or 0. The runtime begins with some small
// mappings, and so do drivers: each would be an exit when it is first touched.
// ringoMem.lock is held.
func ringoCut(n uintptr, prot int) uintptr {
	const most = 64 << 10
	at := ringoMem.spare
	if n > most || prot != ringoabi.ProtRead|ringoabi.ProtWrite || !ringoMem.table.Covers(at, n, ringoProtSpare) {
		return 0 // also if too little is left, or it was mapped over
	}
	ringoMem.spare += n
	return at
}

// ringoTouchEntry touches entry i, of size bytes, of a large table that was just mapped.
// The table's beginning comes with the mapping: who touched that first, as a check for
// nil does, would have two exits for one.
//
//go:nosplit
func ringoTouchEntry(table unsafe.Pointer, i uint, size uintptr) {
	atomic.Load((*uint32)(add(table, uintptr(i)*size)))
}

// ringoWriteExec reports whether prot asks for writable code, which is refused.
func ringoWriteExec(prot int) bool {
	return prot&(ringoabi.ProtWrite|ringoabi.ProtExec) == ringoabi.ProtWrite|ringoabi.ProtExec
}

// ringoHeapOffset returns where in its first chunk of 4 MiB the heap begins: at its
// beginning, for at a random place it would often need a second chunk before main
// runs, for which the runtime reads all that it knows of the address space. Where the
// chunk is stays random.
func ringoHeapOffset(random uintptr) uintptr {
	if ringoBare == 0 {
		return random
	}
	return 0
}

// ringoKernelMemory maps n bytes for rt itself at the top of a free range of
// stride bytes; below them, if that is more, is a guard. It returns their address, or 0.
func ringoKernelMemory(n, stride uintptr) uintptr {
	prot := 0
	if n == stride {
		prot = ringoabi.ProtRead | ringoabi.ProtWrite
	}
	at := ringoMmap(0, stride, prot, 0x22)
	switch {
	case at < 0:
		return 0
	case n == stride:
		return uintptr(at)
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
	if addr%ringoabi.PageSize != 0 || n == 0 || !ringoMem.table.Inside(addr, n) {
		return -ringoEINVAL
	}
	ringoMem.lock.lock()
	ringoEachMapped(addr, addr+n, ringoOpUnmap)
	ok := ringoMem.table.Remove(addr, addr+n)
	ringoMem.lock.unlock()
	if !ok {
		return -ringoENOMEM
	}
	return 0
}

// ringoFiles are the bounds of all addresses that ringoMapFileRange ever gave:
// what changes mappings there is the kernel's to answer.
var ringoFiles struct {
	low, high uintptr
}

// ringoHasFiles reports whether files may be mapped within [addr, addr+n).
//
//go:linkname ringoHasFiles
//go:nosplit
func ringoHasFiles(addr, n uintptr) bool {
	high := atomic.Loaduintptr(&ringoFiles.high)
	return high != 0 && addr < high && addr+n > atomic.Loaduintptr(&ringoFiles.low)
}

// ringoMapFileRange takes n bytes of addresses for pages of a file.
func ringoMapFileRange(addr, n, flags uintptr) int64 {
	r := ringoMapRange(addr, n, ringoProtFile|ringoProtBeyond, flags)
	if r < 0 {
		return r
	}
	low, high := uintptr(r), uintptr(r)+ringoPageUp(n)
	ringoMem.lock.lock()
	if ringoFiles.high == 0 || low < ringoFiles.low {
		atomic.Storeuintptr(&ringoFiles.low, low)
	}
	if high > ringoFiles.high {
		atomic.Storeuintptr(&ringoFiles.high, high)
	}
	ringoMem.lock.unlock()
	return r
}

// ringoAliasPages shows the n pages of a list at addr, which ringoMapFileRange gave.
// They are in a row of pages, or of none.
func ringoAliasPages(addr uintptr, list *uintptr, n uintptr, prot int) int64 {
	end := addr + n*ringoabi.PageSize
	kind := prot | ringoProtFile
	if prot != 0 && *list == 0 {
		kind = ringoProtFile | ringoProtBeyond
	}
	ringoMem.lock.lock()
	r := ringoPlatAlias(addr, list, n, prot)
	if r == 0 && !ringoMem.table.Set(addr, end, kind) {
		r = -ringoENOMEM
	}
	ringoMem.lock.unlock()
	return r
}

// ringoBeyondFile reports whether addr is of a file mapping and has no page.
func ringoBeyondFile(addr uintptr) bool {
	ringoMem.lock.lock()
	i := ringoMem.table.Find(addr)
	beyond := i < ringoMem.table.Len() && ringoMem.table.At(i).Start <= addr &&
		ringoMem.table.At(i).Prot&ringoProtBeyond != 0
	ringoMem.lock.unlock()
	return beyond
}

// ringoMprotect answers mprotect(2) on memory that mmap gave.
func ringoMprotect(addr, n uintptr, prot int) int64 {
	n = ringoPageUp(n)
	if addr%ringoabi.PageSize != 0 {
		return -ringoEINVAL
	}
	if ringoWriteExec(prot) {
		return -ringoEACCES
	}
	if n == 0 {
		return 0
	}
	prot &= 7
	r := int64(-ringoENOMEM)
	ringoMem.lock.lock()
	if ringoMem.table.Covers(addr, n, 0) {
		r = ringoPlatMap(addr, n, prot)
		if prot == 0 {
			prot = ringoProtKept
		}
		if r == 0 && !ringoMem.table.Set(addr, addr+n, prot) {
			r = -ringoENOMEM
		}
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
	if addr < ringoMem.table.Low || addr >= ringoMem.table.High {
		return ringoImageRange(addr, end, write)
	}
	prot := ringoabi.ProtRead
	if write {
		prot |= ringoabi.ProtWrite
	}
	ringoMem.lock.lock()
	ok := ringoMem.table.Covers(addr, n, prot)
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
func ringoRegionAfter(addr uintptr, r *region.Region) int64 {
	ringoMem.lock.lock()
	i := ringoMem.table.Find(addr)
	found := i < ringoMem.table.Len()
	if found {
		*r = ringoMem.table.At(i)
	}
	ringoMem.lock.unlock()
	if !found {
		return 0
	}
	return 1
}
