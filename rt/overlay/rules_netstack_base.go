package overlay

// netstackBaseRules are those for what all layers stand on: locks, buffers, clocks,
// counters, addresses and headers.
var netstackBaseRules = []Rule{
	{
		File:    gvisor + "/tcpip/header/ipv4.go",
		Match:   `(?m)^\treturn checksum\.Checksum\(b\[:b\.HeaderLength\(\)\], 0\)$`,
		Replace: "\tif b.HeaderLength() == IPv4MinimumSize {\n\t\treturn b.minimumChecksum()\n\t}\n$0",
		Count:   1,
		Why:     "sum up a header without options by few instructions",
	}, {
		File:    gvisor + "/tcpip/header/ipv4.go",
		Match:   `(?m)^\tcopy\(b\[(src|dst)Addr:(?:src|dst)Addr\+IPv4AddressSize\], i\.(Src|Dst)Addr\.AsSlice\(\)\)$`,
		Replace: "\tputAddress4(b[${1}Addr:], i.${2}Addr)",
		Count:   2,
		Why:     "write an address into a header without a call",
	}, {
		File:    gvisor + "/buffer/view.go",
		Match:   `(?m)^\tc := newChunk\(cap\)$`,
		Replace: "\tif cap <= smallChunk {\n\t\treturn newSmallView()\n\t}\n$0",
		Count:   1,
		Why:     smallViewWhy,
	}, {
		File:    gvisor + "/buffer/view.go",
		Match:   `(?m)^\tc := newChunk\(len\(data\)\)\n\tv := viewPool\.Get\(\)\.\(\*View\)\n\t\*v = View\{chunk: c\}$`,
		Replace: "\tv := NewView(len(data))",
		Count:   1,
		Why:     smallViewWhy,
	}, {
		File:    gvisor + "/buffer/view.go",
		Match:   `(?m)^\tv\.chunk\.DecRef\(\)\n\t\*v = View\{\}$`,
		Replace: "\tif v.keep() {\n\t\treturn\n\t}\n$0",
		Count:   1,
		Why:     smallViewWhy,
	}, {
		// A deferred call, even one that is not made, makes a function long.
		File:    gvisor + "/buffer/view.go",
		Match:   `(?m)^\t\tdefer v\.chunk\.DecRef\(\)\n\t\tv\.chunk = v\.chunk\.Clone\(\)$`,
		Replace: "\t\tshared := v.chunk\n\t\tv.chunk = shared.Clone()\n\t\tshared.DecRef()",
		Count:   3,
		Why:     "write into a buffer without a deferred call",
	}, {
		// A header is nearly always in the packet's first buffer, which
		// nobody else has. It is looked at dozens of times.
		File:  gvisor + "/buffer/buffer.go",
		Match: `(?m)^\ttgt := Range\{begin: offset, end: offset \+ length\}$`,
		Replace: "\tif v := b.data.Front(); v != nil && offset >= 0 && length > 0 && length <= v.Size()-offset && !v.sharesChunk() {\n" +
			"\t\treturn View{read: v.read + offset, write: v.read + offset + length, chunk: v.chunk}, true\n\t}\n$0",
		Count: 1,
		Why:   "find a packet's header by few instructions",
	}, {
		File:    gvisor + "/tcpip/tcpip.go",
		Match:   `(?ms)^// FillIn [^\n]*\nfunc \(s (?:NIC)?Stats\) FillIn\(\) .*?^\}\n`,
		Replace: "",
		Count:   2,
		Why:     fillInWhy,
	}, {
		File:    gvisor + "/refs/refs_map.go",
		Match:   `(?ms)^func (Register|Unregister)\(obj CheckedObject\) \{\n.*?^\}$`,
		Replace: "func $1(CheckedObject) {}",
		Count:   2,
		Why:     "leave out the search for leaks of buffers, which is off",
	}, {
		File:    gvisor + "/sync/rwmutex_unsafe.go",
		Match:   `(?ms)^(func \(rw \*CrossGoroutineRWMutex\) RUnlock\(\) \{\n).*?^\}$`,
		Replace: rUnlock,
		Count:   1,
		Why:     "give read locks back without a call",
	}, {
		// These calls of a lock checker, which is off, make locks just too long for
		// the compiler to put where they are called.
		File:    gvisor + "/sync/rwmutex_unsafe.go",
		Match:   noteLock,
		Replace: "",
		Count:   8,
		Why:     locksWhy,
	}, {
		File:    gvisor + "/sync/mutex_unsafe.go",
		Match:   noteLock,
		Replace: "",
		Count:   4,
		Why:     locksWhy,
	}, {
		File:    gvisor + "/sync/mutex_unsafe.go",
		Match:   `(?m)^\t"unsafe"$`,
		Replace: "\t_ \"unsafe\"",
		Count:   1,
		Why:     locksWhy,
	}, {
		// All addresses of an interface are asked for each packet.
		File:    gvisor + "/tcpip/tcpip.go",
		Match:   `(?m)^\treturn s\.Prefix\(\) <= 30 && s\.Broadcast\(\) == address$`,
		Replace: "\tfor i := range ipv4AddressSize {\n\t\tif address.addr[i] != s.address.addr[i]|^s.mask.mask[i] {\n\t\t\treturn false\n\t\t}\n\t}\n$0",
		Count:   1,
		Why:     "see by few instructions that an address is no broadcast",
	}, {
		File:    gvisor + "/tcpip/header/ipv4.go",
		Match:   `(?ms)^(func IsV4MulticastAddress\(addr tcpip\.Address\) bool \{\n).*?^\}$`,
		Replace: "${1}\treturn addr.V4Multicast()\n}",
		Count:   1,
		Why:     multicastWhy,
	}, {
		File:    gvisor + "/tcpip/header/ipv6.go",
		Match:   `(?ms)^(func IsV6MulticastAddress\(addr tcpip\.Address\) bool \{\n).*?^\}$`,
		Replace: "${1}\treturn addr.V6Multicast()\n}",
		Count:   1,
		Why:     multicastWhy,
	}, {
		File:    gvisor + "/tcpip/header/checksum.go",
		Match:   `(?m)^func PseudoHeaderChecksum\(.*\{$`,
		Replace: "$0\n\tif srcAddr.Len() == IPv4AddressSize && dstAddr.Len() == IPv4AddressSize {\n\t\treturn pseudoHeaderChecksum4(protocol, srcAddr, dstAddr, totalLen)\n\t}",
		Count:   1,
		Why:     "sum up a pseudo header by few instructions",
	}, {
		File:    gvisor + "/tcpip/header/ipv6.go",
		Match:   `(?m)^\treturn IPv4MappedIPv6Subnet\.Contains\(addr\)$`,
		Replace: "\tb := addr.As16()\n\treturn [12]byte(b[:12]) == [12]byte{10: 0xff, 11: 0xff}",
		Count:   1,
		Why:     "see by few instructions whether an address is an IPv4 one",
	}, {
		File:    gvisor + "/tcpip/stdclock.go",
		Match:   `(?ms)^\tsinceBase := time\.Since\(s\.baseTime\)\n.*?^\treturn s\.monotonicOffset\.Add\(sinceBase\)$`,
		Replace: "\treturn MonotonicTime{nanoseconds: nanotime()}",
		Count:   1,
		Why:     clockWhy,
	}, {
		File:    gvisor + "/tcpip/stdclock.go",
		Match:   `(?m)^\t"fmt"\n`,
		Replace: "",
		Count:   1,
		Why:     clockWhy,
	}, {
		File:    gvisor + "/tcpip/tcpip.go",
		Match:   `(?ms)^func \(mt MonotonicTime\) Add\(.*?^\}$`,
		Replace: monotonicAdd,
		Count:   1,
		Why:     "add times without calendars",
	}, {
		File:    gvisor + "/tcpip/tcpip.go",
		Match:   `(?ms)^func \(mt MonotonicTime\) Sub\(.*?^\}$`,
		Replace: monotonicSub,
		Count:   1,
		Why:     "subtract times without calendars",
	},
}

const (
	fillInWhy    = "make all counters of a structure at once"
	smallViewWhy = "leave a small packet's memory with what describes it"
	multicastWhy = "see without a call that an address is no multicast one"
	clockWhy     = "read the monotonic clock, as every segment does many times, by one call"
)

// monotonicAdd and monotonicSub replace what goes by way of time.Time. As there, what
// does not fit is the largest or the smallest number.
const (
	monotonicAdd = `func (mt MonotonicTime) Add(d time.Duration) MonotonicTime {
	sum := mt.nanoseconds + int64(d)
	switch {
	case d > 0 && sum < mt.nanoseconds:
		sum = math.MaxInt64
	case d < 0 && sum > mt.nanoseconds:
		sum = math.MinInt64
	}
	return MonotonicTime{nanoseconds: sum}
}`
	monotonicSub = `func (mt MonotonicTime) Sub(u MonotonicTime) time.Duration {
	difference := mt.nanoseconds - u.nanoseconds
	switch {
	case u.nanoseconds < 0 && difference < mt.nanoseconds:
		difference = math.MaxInt64
	case u.nanoseconds > 0 && difference > mt.nanoseconds:
		difference = math.MinInt64
	}
	return time.Duration(difference)
}`
)

// noteLock matches a call.
const noteLock = `(?m)^\t+note(?:Lock|Unlock)\(unsafe\.Pointer\(r?[mw]\)\)\n`

// rUnlock replaces a function that is too long for the compiler to put where it is
// called. There is no race detector.
const rUnlock = `${1}	if r := atomic.AddInt32(&rw.readerCount, -1); r < 0 {
		rw.rUnlockSlow(r)
	}
}

func (rw *CrossGoroutineRWMutex) rUnlockSlow(r int32) {
	if r+1 == 0 || r+1 == -rwmutexMaxReaders {
		panic("RUnlock of unlocked RWMutex")
	}
	// A writer is pending.
	if atomic.AddInt32(&rw.readerWait, -1) == 0 {
		// The last reader unblocks the writer.
		semrelease(&rw.writerSem, false, 0)
	}
}`
