//go:build ringo

package runtime

import (
	"internal/runtime/atomic"
	ringoabi "ringo.dev/ringo/vmm/abi"
	"unsafe"
)

// The address space. The page tables are all that metal knows of the program's
// mappings: an entry that is not present, of whatever level, holds the
// protection with which its whole range is to be mapped when touched. So a
// mapping of gigabytes is a few entries, and a page fault needs no other table.

// Bits of a page table entry.
const (
	ringoPresent = 1 << 0
	ringoWrite   = 1 << 1
	ringoThrough = 1 << 3 // write-through
	ringoNoCache = 1 << 4
	ringoBig     = 1 << 7
	ringoProt    = 9       // where abi.Prot* are kept
	ringoAliased = 1 << 52 // the frame belongs to another page
	ringoKept    = 1 << 53 // not present, without any access, but has its frame
	ringoNoExec  = 1 << 63

	ringoProtMask = 7 << ringoProt
	ringoAddrMask = 0x000f_ffff_ffff_f000
)

// ringoBigPage is the size of a large page, for which an entry of level 2 is enough.
const ringoBigPage = 2 << 20

// ringoSpace is the address space.
var ringoSpace struct {
	lock ringoSpin
	root uintptr // physical address of the level 4 table
}

// ringoTable returns a page table.
func ringoTable(pa uintptr) *[512]uint64 {
	return (*[512]uint64)(unsafe.Pointer(ringoDirect + pa))
}

// ringoLeaf returns the entry for memory with a protection. It is present if the
// protection allows any access.
func ringoLeaf(pa uintptr, prot uint64) uint64 {
	if prot == 0 {
		return uint64(pa) | ringoKept
	}
	e := uint64(pa) | prot<<ringoProt | ringoPresent
	if prot&ringoabi.ProtWrite != 0 {
		e |= ringoWrite
	}
	if prot&ringoabi.ProtExec == 0 {
		e |= ringoNoExec
	}
	return e
}

// ringoMetalSpaceInit makes the address space: the image with the protections
// of its segments in the lower half, its late pages without memory, and the direct map,
// which is writable, and so has nothing of the image's code, constants and files.
func ringoMetalSpaceInit() {
	const directIndex = ringoDirect >> 39 & 511
	ringoFramesInit()
	first := ringoReadCR3()
	ringoSpace.root = first
	boot := ringoTable(first)
	level3 := uintptr(boot[0] & ringoAddrMask)
	ringoCoverRAM(level3)
	ringoUncacheDevices(level3)
	boot[directIndex] = uint64(level3) | ringoPresent | ringoWrite | ringoNoExec

	root := ringoAllocFrame()
	if root == 0 {
		ringoFatal("no memory for page tables; give the machine more")
	}
	ringoTable(root)[directIndex] = boot[directIndex]
	ringoSpace.root = root
	var files ringoSegment
	for _, s := range ringoSegments() {
		if s.kind != ringoSegmentLoad {
			continue
		}
		prot := uint64(ringoabi.ProtRead)
		if s.flags&ringoSegmentExec != 0 {
			prot |= ringoabi.ProtExec
		}
		if s.flags&ringoSegmentWrite != 0 {
			prot |= ringoabi.ProtWrite
		}
		end := ringoPageUp(s.vaddr + s.memsz)
		late := ringoLate()
		if s.vaddr >= firstmoduledata.end {
			late, files = end, s
		}
		ringoMapImage(s.vaddr&^(ringoabi.PageSize-1), min(end, late), prot)
		if lo := max(s.vaddr, late); lo < end {
			c := ringoChange{lo: lo, hi: end, op: ringoChangeMap, prot: prot}
			if !c.apply(root, 0, 39) {
				ringoFatal("no memory for page tables; give the machine more")
			}
		}
	}
	ringoWriteCR3(root)

	// Only now, since the direct map is the boot code's map at 0, too, by which
	// all ran up to here. What is only read comes first in the image.
	ringoHideImage(ringoImageBase, firstmoduledata.noptrdata&^(ringoabi.PageSize-1))
	ringoHideImage(files.vaddr, files.vaddr+files.memsz)
	ringoWriteCR3(root)
}

// ringoMapImage maps pages of the image, which are where they are to be mapped.
func ringoMapImage(at, end uintptr, prot uint64) {
	for at < end {
		e := ringoMakeLeaf(at)
		if e == nil {
			ringoFatal("no memory for page tables; give the machine more")
		}
		rest := ringoRestOfTable(e, at, end)
		leaf := ringoLeaf(at, prot)
		for i := range rest {
			rest[i] = leaf
			leaf += ringoabi.PageSize
		}
		at += uintptr(len(rest)) * ringoabi.PageSize
	}
}

// ringoHideImage takes pages of the image out of the direct map.
func ringoHideImage(at, end uintptr) {
	for at < end {
		if at%ringoBigPage == 0 && end-at >= ringoBigPage {
			*ringoDirectBlock(at) = 0
			at += ringoBigPage
			continue
		}
		rest := ringoRestOfTable(ringoDirectEntry(at), at, end)
		clear(rest)
		at += uintptr(len(rest)) * ringoabi.PageSize
	}
}

// ringoRestOfTable returns the entries of a page table for the pages from at, whose
// entry is e, to end, as far as the table goes.
func ringoRestOfTable(e *uint64, at, end uintptr) []uint64 {
	rest := (ringoabi.PageSize - uintptr(unsafe.Pointer(e))%ringoabi.PageSize) / 8
	return unsafe.Slice(e, min(rest, (end-at+ringoabi.PageSize-1)/ringoabi.PageSize))
}

// ringoCoverRAM extends the direct map, of which the boot code made the first
// 4 GiB, over all memory.
func ringoCoverRAM(level3 uintptr) {
	const giga = 1 << 30
	for _, r := range ringoLoader.Memory.List() {
		for at := max(uintptr(r.Lo), 4*giga) &^ (giga - 1); at < uintptr(r.Hi); at += giga {
			e := &ringoTable(level3)[at>>30]
			if *e != 0 {
				continue
			}
			table := ringoAllocFrame()
			if table == 0 {
				ringoFatal("no memory below 4 GiB for page tables")
			}
			for j := range ringoTable(table) {
				ringoTable(table)[j] = uint64(at) + uint64(j)<<21 | ringoPresent | ringoWrite | ringoBig
			}
			*e = uint64(table) | ringoPresent | ringoWrite
		}
	}
}

// ringoUncacheDevices makes the direct map uncached from 3 to 4 GiB, where
// there is no memory: devices are there.
func ringoUncacheDevices(level3 uintptr) {
	const from, to, uncached = 3 << 30, 4 << 30, ringoNoCache | ringoThrough
	table := ringoTable(uintptr(ringoTable(level3)[from>>30] & ringoAddrMask))
	for j := range table {
		table[j] |= uncached
	}
	for _, r := range ringoLoader.Memory.List() {
		for at := max(r.Lo, from) &^ (ringoBigPage - 1); at < min(r.Hi, to); at += ringoBigPage {
			table[at>>21&511] &^= uncached
		}
	}
}

// ringoDirectBlock returns the direct map's entry for the large page at an address in the
// first 4 GiB, or the one for the table that has taken its place.
func ringoDirectBlock(pa uintptr) *uint64 {
	const directIndex = ringoDirect >> 39 & 511
	level3 := uintptr(ringoTable(ringoSpace.root)[directIndex] & ringoAddrMask)
	level2 := uintptr(ringoTable(level3)[pa>>30] & ringoAddrMask)
	return &ringoTable(level2)[pa>>21&511]
}

// ringoDirectEntry returns the direct map's entry for one page, which must be
// in the first 4 GiB, for it to be changed.
func ringoDirectEntry(pa uintptr) *uint64 {
	e := ringoDirectBlock(pa)
	if *e&ringoBig != 0 {
		table := ringoAllocFrame()
		if table == 0 {
			ringoFatal("no memory for page tables; give the machine more")
		}
		small := *e &^ ringoBig
		for j := range ringoTable(table) {
			ringoTable(table)[j] = small
			small += ringoabi.PageSize
		}
		*e = uint64(table) | ringoPresent | ringoWrite
	}
	return &ringoTable(uintptr(*e & ringoAddrMask))[pa>>12&511]
}

// ringoMakeLeaf returns the lowest entry for an address, for which it makes the
// tables above. It returns nil if there is no memory for them.
func ringoMakeLeaf(addr uintptr) *uint64 {
	table := ringoSpace.root
	for shift := 39; shift > 12; shift -= 9 {
		e := &ringoTable(table)[addr>>shift&511]
		if *e&ringoPresent == 0 && !ringoSplit(e) {
			return nil
		}
		table = uintptr(*e & ringoAddrMask)
	}
	return &ringoTable(table)[addr>>12&511]
}

// ringoSplit puts a table in the place of an entry that is not present, with
// the same meaning. It reports whether there was memory for it.
func ringoSplit(e *uint64) bool {
	table := ringoAllocFrame()
	if table == 0 {
		return false
	}
	if *e != 0 {
		for i := range ringoTable(table) {
			ringoTable(table)[i] = *e
		}
	}
	*e = uint64(table) | ringoPresent | ringoWrite
	return true
}

// ringoChange is a change of a range of the address space.
type ringoChange struct {
	lo, hi uintptr
	op     uint8
	prot   uint64 // of ringoChangeMap

	// What became of it.
	touched     bool    // an entry with a frame has changed
	first, last uintptr // frames that are not in use any more, as a list
}

const (
	ringoChangeMap = iota
	ringoChangeUnmap
	ringoChangeDiscard
)

// drop enters a frame in the list of those to be freed.
func (c *ringoChange) drop(pa uintptr) {
	ringoTable(pa)[0] = uint64(c.first)
	if c.first == 0 {
		c.last = pa
	}
	c.first = pa
}

// apply makes the change in a table whose first entry is for base and whose
// entries have 2^shift bytes each. It returns false if there is no memory.
func (c *ringoChange) apply(table, base uintptr, shift uint) bool {
	first := uintptr(0)
	if c.lo > base {
		first = (c.lo - base) >> shift
	}
	end := min((c.hi-base+1<<shift-1)>>shift, 512)
	if shift == 12 {
		c.leaves(ringoTable(table)[first:end])
		return true
	}
	span := uintptr(1) << shift
	for i := first; i < end; i++ {
		at := base + i<<shift
		e := &ringoTable(table)[i]
		whole := c.lo <= at && at+span <= c.hi
		switch {
		case *e&ringoPresent != 0:
			below := uintptr(*e & ringoAddrMask)
			if !c.apply(below, at, shift-9) {
				return false
			}
			if whole && c.op == ringoChangeUnmap {
				*e = 0
				c.touched = true
				c.drop(below)
			}
		case c.op == ringoChangeDiscard:
		case whole:
			*e = c.prot << ringoProt
		default:
			if !ringoSplit(e) || !c.apply(uintptr(*e&ringoAddrMask), at, shift-9) {
				return false
			}
		}
	}
	return true
}

// leaves makes the change in entries of the lowest level.
func (c *ringoChange) leaves(entries []uint64) {
	for i := range entries {
		e := &entries[i]
		switch {
		case *e&(ringoPresent|ringoKept) != 0:
			c.leaf(e)
		case c.op != ringoChangeDiscard:
			*e = c.prot << ringoProt
		}
	}
}

// leaf makes the change in an entry of the lowest level that has a frame.
func (c *ringoChange) leaf(e *uint64) {
	c.touched = true
	pa := uintptr(*e & ringoAddrMask)
	if *e&ringoAliased != 0 {
		*e = 0
		return
	}
	switch c.op {
	case ringoChangeMap:
		*e = ringoLeaf(pa, c.prot)
	case ringoChangeUnmap:
		*e = 0
		c.drop(pa)
	case ringoChangeDiscard:
		*e &= ringoProtMask
		c.drop(pa)
	}
}

// do makes the change, and frees what it left.
func (c *ringoChange) do() int64 {
	ringoSpace.lock.lock()
	ok := c.apply(ringoSpace.root, 0, 39)
	ringoSpace.lock.unlock()
	if c.touched {
		ringoFlush(c.lo, c.hi)
	}
	if c.first != 0 {
		ringoSpace.lock.lock()
		ringoFreeFrame(c.first, c.last)
		ringoSpace.lock.unlock()
	}
	if !ok {
		return -ringoENOMEM
	}
	return 0
}

// ringoFlush makes all processors forget what they knew of a range. The others
// are asked by an interrupt, to which they answer in kernel mode too; no lock
// that their handlers take may be held.
func ringoFlush(lo, hi uintptr) {
	const few = 32
	me := ringoThisCPU().ID
	for n := uint32(0); n < ringoMetalBoot.VCPUs; n++ {
		if c := ringoMetalCPUAt(n); n != me && atomic.Load(&c.started) != 0 {
			atomic.Xadd(&c.flush, 1)
			ringoAPICSend(n, ringoVectorFlush)
		}
	}
	if hi-lo > few*ringoabi.PageSize {
		ringoWriteCR3(ringoSpace.root)
	} else {
		for ; lo < hi; lo += ringoabi.PageSize {
			ringoInvalidate(lo)
		}
	}
	for n := uint32(0); n < ringoMetalBoot.VCPUs; n++ {
		c := ringoMetalCPUAt(n)
		if n == me || atomic.Load(&c.started) == 0 {
			continue
		}
		want := atomic.Load(&c.flush)
		for spun := 1; int32(atomic.Load(&c.flushed)-want) < 0; spun++ {
			ringoSpinPause(spun)
		}
	}
}

// ringoFlushHere does what ringoFlush asked the calling CPU for.
func ringoFlushHere(c *ringoMetalCPU) {
	want := atomic.Load(&c.flush)
	ringoWriteCR3(ringoSpace.root)
	atomic.Store(&c.flushed, want)
}

// ringoMetalMap, ringoMetalUnmap and ringoMetalDiscard are the platform's.
func ringoMetalMap(addr, n uintptr, prot int) int64 {
	prot &^= ringoabi.ProtShare // all memory can be aliased
	c := ringoChange{lo: addr, hi: addr + n, op: ringoChangeMap, prot: uint64(prot)}
	return c.do()
}

func ringoMetalUnmap(addr, n uintptr) {
	c := ringoChange{lo: addr, hi: addr + n, op: ringoChangeUnmap}
	c.do()
}

func ringoMetalDiscard(addr, n uintptr) {
	c := ringoChange{lo: addr, hi: addr + n, op: ringoChangeDiscard}
	c.do()
}

// ringoMetalAlias is the platform's. The pages of the list are the kernel's own, and
// stay where they are.
func ringoMetalAlias(addr uintptr, list *uintptr, n uintptr, prot int) int64 {
	r := int64(0)
	ringoSpace.lock.lock()
	for i, page := range unsafe.Slice(list, n) {
		entry := uint64(0)
		if page != 0 {
			of := ringoFindEntry(page)
			if *of&ringoPresent == 0 {
				if !ringoPopulate(page) {
					r = -ringoENOMEM
					break
				}
				of = ringoFindEntry(page)
			}
			entry = ringoLeaf(uintptr(*of&ringoAddrMask), uint64(prot)) | ringoAliased
		}
		e := ringoMakeLeaf(addr + uintptr(i)*ringoabi.PageSize)
		if e == nil {
			r = -ringoENOMEM
			break
		}
		*e = entry
	}
	ringoSpace.lock.unlock()
	ringoFlush(addr, addr+n*ringoabi.PageSize)
	return r
}

// ringoFaultBlock is how much memory a page fault maps: the pages around the
// address, as far as they are alike.
const ringoFaultBlock = 64 << 10

// ringoMetalFault answers a page fault at addr, with the processor's error
// code. It returns false if the program may not do what it did.
func ringoMetalFault(addr, code uintptr) bool {
	const present, write, fetch = 1 << 0, 1 << 1, 1 << 4
	if addr >= 1<<47 {
		return false
	}
	need := uint64(ringoabi.ProtRead)
	switch {
	case code&fetch != 0:
		need = ringoabi.ProtExec
	case code&write != 0:
		need = ringoabi.ProtWrite
	}
	ringoSpace.lock.lock()
	e := ringoFindEntry(addr)
	ok := *e>>ringoProt&need != 0
	if ok && *e&ringoPresent != 0 {
		ringoInvalidate(addr) // as another CPU, or a moment ago this one, has changed it
	} else if ok && !ringoPopulate(addr) {
		ringoSpace.lock.unlock()
		ringoMetalNoMemory()
	}
	ringoSpace.lock.unlock()
	return ok
}

// ringoMetalNoMemory ends the machine when the program needs more memory than
// there is. The status is that of a process that the kernel killed for it.
func ringoMetalNoMemory() {
	const killed = 128 + 9
	ringoMetalEnd()
	ringoConsoleSeize()
	ringoConsolePut("ringo: out of memory: all ")
	ringoConsoleDecimal(uintptr(ringoMetalBoot.MemBytes+(1<<20-1)) >> 20)
	ringoConsolePut("M are in use; give the machine more, or set GOMEMLIMIT\n")
	ringoPlatExit(killed)
}

// ringoFindEntry returns the entry, of any level, that decides about addr.
func ringoFindEntry(addr uintptr) *uint64 {
	table := ringoSpace.root
	for shift := 39; ; shift -= 9 {
		e := &ringoTable(table)[addr>>shift&511]
		if shift == 12 || *e&ringoPresent == 0 {
			return e
		}
		table = uintptr(*e & ringoAddrMask)
	}
}

// ringoPopulate gives memory to the pages around addr that have none and the
// same protection. Only for that at addr it must be there.
func ringoPopulate(addr uintptr) bool {
	e := ringoMakeLeaf(addr)
	if e == nil {
		return false
	}
	want := *e
	pa := ringoAllocFrame()
	if pa == 0 {
		return false
	}
	*e = ringoLeaf(pa, want>>ringoProt)
	// The block's entries are in the same table, next to each other.
	const pages = ringoFaultBlock / ringoabi.PageSize
	block := (*[pages]uint64)(unsafe.Pointer(uintptr(unsafe.Pointer(e)) &^ (pages*8 - 1)))
	for i := range block {
		if block[i] != want {
			continue
		}
		pa := ringoAllocFrame()
		if pa == 0 {
			break
		}
		block[i] = ringoLeaf(pa, want>>ringoProt)
	}
	return true
}

// ringoPhysical returns the physical address of memory of the program. It runs
// in user mode: what is asked for is in use, so its tables stay.
func ringoPhysical(addr uintptr) uintptr {
	if addr >= ringoDirect {
		return addr - ringoDirect
	}
	for {
		e := atomic.Load64(ringoFindEntry(addr))
		if e&ringoPresent != 0 {
			return uintptr(e&ringoAddrMask) + addr%ringoabi.PageSize
		}
		ringoTouch(addr)
	}
}

// ringoTouch reads a byte, so that there is memory behind it.
//
//go:noinline
func ringoTouch(addr uintptr) byte { return *(*byte)(unsafe.Pointer(addr)) }

// ringoMetalMemory returns n bytes of memory in a row, zeroed and mapped, for
// devices, or 0.
func ringoMetalMemory(n uintptr) uintptr {
	ringoSpace.lock.lock()
	pa := ringoAllocFrames(n / ringoabi.PageSize)
	ringoSpace.lock.unlock()
	if pa == 0 {
		return 0
	}
	return ringoDirect + pa
}
