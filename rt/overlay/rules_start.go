package overlay

// startRules put off what packages do when a program starts, or make it shorter.
var startRules = []Rule{
	{
		File:    "crypto/internal/fips140/edwards25519/edwards25519.go",
		Match:   `(?m)^import \($`,
		Replace: "$0\n\t\"sync\"",
		Count:   1,
		Why:     pointsWhy,
	}, {
		// Decoding a point takes a square root.
		File:    "crypto/internal/fips140/edwards25519/edwards25519.go",
		Match:   `(?ms)^var (identity|generator), _ = (new\(Point\)\.SetBytes\(\[\]byte\{.*?\}\))$`,
		Replace: "var $1 = sync.OnceValue(func() *Point {\n\tp, _ := $2\n\treturn p\n})",
		Count:   2,
		Why:     pointsWhy,
	}, {
		File:    "crypto/internal/fips140/edwards25519/edwards25519.go",
		Match:   `\.Set\((identity|generator)\)`,
		Replace: ".Set($1())",
		Count:   2,
		Why:     pointsWhy,
	}, {
		// The linker has sorted it; the last two stand for the rest.
		File:    "runtime/symtab.go",
		Match:   `(?m)^\tfor i := 0; (i < nftab; i\+\+ \{\n\t\t// NOTE: ftab\[nftab\])`,
		Replace: "\tfor i := max(nftab-1, 0); $1",
		Count:   1,
		Why:     "not read the table of functions through at each start",
	}, {
		// The hash of a type is in the type: each start would read all those that are in
		// interfaces. Types do not move.
		File:    "runtime/iface.go",
		Match:   `return uintptr\(inter\.Type\.Hash \^ typ\.Hash\)`,
		Replace: "return ringoItabHash(uintptr(unsafe.Pointer(inter)), uintptr(unsafe.Pointer(typ)))",
		Count:   1,
		Why:     "not read all types through at each start",
	}, {
		// A program with package net has some 700 from the beginning.
		File:    "runtime/iface.go",
		Match:   `\bitabInitSize = 512\b`,
		Replace: "itabInitSize = 1024",
		Count:   1,
		Why:     "not make a table and at once a larger one of it",
	}, {
		File:    "runtime/symtab.go",
		Match:   `(?m)^\t\t\tmd\.gc(data|bss)mask = progToPointerMask\(.*\)\n`,
		Replace: "",
		Count:   2,
		Why:     masksWhy,
	}, {
		// Who holds this begins a collection.
		File:    "runtime/mgc.go",
		Match:   `(?m)^\tsemacquire\(&work\.startSema\)\n`,
		Replace: "$0\tringoPointerMasks()\n",
		Count:   1,
		Why:     masksWhy,
	}, {
		File:    "runtime/heapdump.go",
		Match:   `(?m)^func dumproots\(\) \{\n`,
		Replace: "$0\tringoPointerMasks()\n",
		Count:   1,
		Why:     masksWhy,
	}, {
		File:    "runtime/mbitmap.go",
		Match:   `(?m)^func pointerMask\(.*\{\n`,
		Replace: "$0\tringoPointerMasks()\n",
		Count:   1,
		Why:     masksWhy,
	}, {
		// The index of all arenas, of which one entry is used.
		File:    "runtime/malloc.go",
		Match:   `(?m)^\t\t\tatomic\.StorepNoWB\(unsafe\.Pointer\(&h\.arenas\[ri\.l1\(\)\]\), unsafe\.Pointer\(l2\)\)$`,
		Replace: "\t\t\tringoTouchEntry(unsafe.Pointer(l2), ri.l2(), goarch.PtrSize)\n$0",
		Count:   1,
		Why:     touchWhy,
	}, {
		File:    "runtime/mpagealloc.go",
		Match:   `(?m)^\t\t\t\*\(\*uintptr\)\(unsafe\.Pointer\(&p\.chunks\[c\.l1\(\)\]\)\) = uintptr\(r\)$`,
		Replace: "\t\t\tringoTouchEntry(r, c.l2(), unsafe.Sizeof(pallocData{}))\n$0",
		Count:   1,
		Why:     touchWhy,
	}, {
		File:    "runtime/mheap.go",
		Match:   `randOffset := (nextHeapRandBits\(logPallocChunkBytes\))`,
		Replace: "randOffset := ringoHeapOffset($1)",
		Count:   1,
		Why:     "begin the heap with nearly a whole chunk",
	}, {
		File:    "runtime/proc.go",
		Match:   `newg = malg\(stackMin\)`,
		Replace: "newg = malg(ringoNewStack())",
		Count:   1,
		Why:     "let stacks grow less often at the start",
	}, {
		// Each size of objects that is used takes two blocks, nearly all of them for a span or two.
		File:    "runtime/mspanset.go",
		Match:   `spanSetBlockEntries = 512\b.*`,
		Replace: "spanSetBlockEntries = 64",
		Count:   1,
		Why:     "touch less memory at the start",
	}, {
		// Later the runtime does this, too, when it has sampled a few.
		File:    "runtime/proc.go",
		Match:   `(?m)^\tmallocinit\(\)$`,
		Replace: "\tif disableMemoryProfiling {\n\t\tMemProfileRate = 0\n\t}\n$0",
		Count:   1,
		Why:     "sample no allocations in programs that never ask for them",
	}, {
		// That would make, bind and close three sockets.
		File:    "net/ipsock_posix.go",
		Match:   `(?m)^func \(p \*ipStackCapabilities\) probe\(\) \{$`,
		Replace: "$0\n\tif p.ringoProbe() {\n\t\treturn\n\t}",
		Count:   1,
		Why:     "know what the network stack can do",
	}, {
		// That would open and read a file of /proc.
		File:    "net/sock_linux.go",
		Match:   `(?m)^func maxListenerBacklog\(\) int \{$`,
		Replace: "$0\n\tif n := ringoBacklog(); n > 0 {\n\t\treturn n\n\t}",
		Count:   1,
		Why:     "know what the network stack can do",
	}, {
		// That would ask for a socket and look at the error.
		File:    "net/mptcpsock_linux.go",
		Match:   `(?m)^func initMPTCPavailable\(\) \{$`,
		Replace: "$0\n\tif ringoOnePath() {\n\t\treturn\n\t}",
		Count:   1,
		Why:     "know what the network stack can do",
	}, {
		// What follows looks in further places, for a zone with a name that none has.
		File:    "time/zoneinfo_unix.go",
		Match:   `(?m)^\t\tz, err := loadLocation\("localtime", \[\]string\{"/etc"\}\)$`,
		Replace: "\t\tfd, err := open(\"/etc/localtime\")\n\t\tif err != nil {\n\t\t\tbreak\n\t\t}\n\t\tclosefd(fd)\n$0",
		Count:   1,
		Why:     "be content when there is no file of the local time zone",
	},
}

const masksWhy = "find the pointers among variables before the first collection, not at the start"

const touchWhy = "take one exit for a large table of which little is used"

const pointsWhy = "decode the points of Ed25519 in programs that use it"
