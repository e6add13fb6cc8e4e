package overlay

// gvisorRules fit gVisor's network stack into the standard library, below
// package net, and without assembly.
var gvisorRules = []Rule{
	{
		File:    gvisor + "/tcpip/tcpip.go",
		Match:   `(?m)^\t"net"$`,
		Replace: "",
		Count:   1,
		Why:     "break the import cycle with package net",
	}, {
		File:    gvisor + "/tcpip/tcpip.go",
		Match:   `\bnet\.HardwareAddr\b`,
		Replace: "[]byte",
		Count:   1,
		Why:     "break the import cycle with package net",
	}, {
		File:    gvisor + "/tcpip/errors_linux.go",
		Match:   `"golang.org/x/sys/unix"`,
		Replace: `unix "syscall"`,
		Count:   1,
		Why:     "do without golang.org/x/sys, which has assembly",
	}, {
		File:    gvisor + "/rand/rand_linux.go",
		Match:   wholeFile,
		Replace: gvisorRand,
		Count:   1,
		Why:     "take random numbers from the kernel",
	}, {
		File:    gvisor + "/log/json.go",
		Match:   wholeFile,
		Replace: "package log\n",
		Count:   1,
		Why:     "do without encoding/json",
	}, {
		File:    gvisor + "/log/json_k8s.go",
		Match:   wholeFile,
		Replace: "package log\n",
		Count:   1,
		Why:     "do without encoding/json",
	}, {
		File:    gvisor + "/log/log.go",
		Match:   `(?m)^\t"regexp"$`,
		Replace: "",
		Count:   1,
		Why:     "do without regexp, whose tables cost time at program start",
	}, {
		// The frames of the caller stay in the stack that is returned.
		File:    gvisor + "/log/log.go",
		Match:   `(?ms)^// stackRegexp matches .*?^(func LocalStack\(excludeTopN int\) \[\]byte \{\n).*?^\}\n`,
		Replace: "${1}\treturn Stacks(false)\n}\n",
		Count:   1,
		Why:     "do without regexp, whose tables cost time at program start",
	}, {
		// The compiler does not move memory accesses over a call, and the
		// processor needs no fence.
		File:    gvisor + "/sync/fence.go",
		Match:   `(?m)^func MemoryFenceReads\(\)$`,
		Replace: "//\n//go:noinline\nfunc MemoryFenceReads() {}",
		Count:   1,
		Why:     "do without assembly",
	}, {
		// Every packet's buffer is found by this: not by a loop over bits.
		File:    gvisor + "/bits/uint64_arch_generic.go",
		Match:   wholeFile,
		Replace: gvisorBits,
		Count:   1,
		Why:     "count bits by instructions without assembly",
	}, {
		File:    gvisor + "/sync/locking/lockdep_norace.go",
		Match:   `(?m)^//go:inline$`,
		Replace: "//",
		Count:   2,
		Why:     "remove a directive that the standard library may not use",
	},
}

// wholeFile matches a file once.
const wholeFile = `(?s)\A.*\z`

// gvisorRand replaces the source of random numbers.
const gvisorRand = `package rand

import (
	"io"

	"` + module + `/rt"
)

type reader struct{}

func (reader) Read(p []byte) (int, error) {
	rt.Random(p)
	return len(p), nil
}

// Reader is the default reader.
var Reader io.Reader = reader{}

// Read reads from the default reader.
func Read(p []byte) (int, error) { return Reader.Read(p) }
`

// gvisorBits replaces what counts bits, one by one, on processors for which
// gVisor has no assembly.
const gvisorBits = `package bits

import "math/bits"

// TrailingZeros64 returns the index of the least significant 1 bit in x, or 64.
func TrailingZeros64(x uint64) int { return bits.TrailingZeros64(x) }

// MostSignificantOne64 returns the index of the most significant 1 bit in x, or 64.
func MostSignificantOne64(x uint64) int {
	if x == 0 {
		return 64
	}
	return 63 - bits.LeadingZeros64(x)
}

// ForEachSetBit64 calls f with the index of each 1 bit in x.
func ForEachSetBit64(x uint64, f func(i int)) {
	for ; x != 0; x &= x - 1 {
		f(bits.TrailingZeros64(x))
	}
}
`
