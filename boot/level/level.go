// Package level knows which features of the processor a program needs that was built for
// a level of GOAMD64. The boot stub looks for them, and so does the monitor.
package level

import (
	"fmt"
	"strconv"
	"strings"
)

// Features are features of a processor, as bits of what CPUID returns.
type Features struct {
	Basic      uint32 // leaf 1, ECX
	Extended   uint32 // leaf 0x80000001, ECX
	Structured uint32 // leaf 7, EBX
}

// last is the highest level.
const last = 4

// Parse returns the level that a value of GOAMD64, such as "v3", names.
func Parse(text string) (uint64, error) {
	digits, ok := strings.CutPrefix(text, "v")
	level, err := strconv.ParseUint(digits, 10, 64)
	if !ok || err != nil || level < 1 || level > last {
		return 0, fmt.Errorf("GOAMD64=%s is not known; want v1 to v%d", text, last)
	}
	return level, nil
}

// Needed returns the features that a program for a level of GOAMD64 needs,
// beside those of every 64-bit processor: System V ABI, AMD64 supplement 1.0, 3.1.1.
// Where that names OSXSAVE these have XSAVE: package runtime switches it on.
func Needed(level uint64) (Features, error) {
	const (
		sse3, ssse3, cmpxchg16b     = 1 << 0, 1 << 9, 1 << 13
		fma, sse41, sse42           = 1 << 12, 1 << 19, 1 << 20
		movbe, popcnt, xsave        = 1 << 22, 1 << 23, 1 << 26
		avx, f16c                   = 1 << 28, 1 << 29
		lahf, lzcnt                 = 1 << 0, 1 << 5
		bmi1, avx2, bmi2            = 1 << 3, 1 << 5, 1 << 8
		avx512f, avx512dq, avx512cd = 1 << 16, 1 << 17, 1 << 28
		avx512bw, avx512vl          = 1 << 30, 1 << 31
	)
	var f Features
	if level < 1 || level > last {
		return f, fmt.Errorf("GOAMD64=v%d is not known", level)
	}
	if level >= 2 {
		f.Basic |= sse3 | ssse3 | cmpxchg16b | sse41 | sse42 | popcnt
		f.Extended |= lahf
	}
	if level >= 3 {
		f.Basic |= fma | movbe | xsave | avx | f16c
		f.Extended |= lzcnt
		f.Structured |= bmi1 | avx2 | bmi2
	}
	if level >= 4 {
		f.Structured |= avx512f | avx512dq | avx512cd | avx512bw | avx512vl
	}
	return f, nil
}

// Missing reports whether a processor that has f lacks any of needed.
func (f Features) Missing(needed Features) bool {
	return needed.Basic&^f.Basic|needed.Extended&^f.Extended|needed.Structured&^f.Structured != 0
}
