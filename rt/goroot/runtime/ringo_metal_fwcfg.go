//go:build ringo

package runtime

import (
	"internal/runtime/atomic"
	"internal/runtime/sys"
	"unsafe"
)

// QEMU's firmware configuration device (QEMU's docs/specs/fw_cfg.rst) has named
// files from QEMU's command line. One of them is a second command line, for
// programs that are booted from an image with a line of its own:
//
//	-fw_cfg name=opt/dev.ringo/line,string="-http :80"
const ringoFWName = "opt/dev.ringo/line"

// Ports, selectors of what is to be read, and bits of a transfer's control word.
const (
	ringoFWSelector = 0x510
	ringoFWData     = 0x511
	ringoFWDMA      = 0x514 // two words with the address of a transfer

	ringoFWSignature = 0x00
	ringoFWID        = 0x01
	ringoFWDirectory = 0x19
	ringoFWHasDMA    = 1 << 1 // of the ID

	ringoFWError  = 1 << 0
	ringoFWRead   = 1 << 1
	ringoFWSelect = 1 << 3 // begin at the selector in the upper half
)

// ringoFW is what the device reads and writes.
var ringoFW struct {
	transfer struct { // big endian
		control, length uint32
		address         uint64
	}
	count uint32
	entry ringoFWEntry
	line  [4096]byte
}

// ringoFWEntry is an entry of the directory.
type ringoFWEntry struct {
	size     uint32 // big endian, as all numbers
	selector uint16
	_        uint16
	name     [56]byte
}

// ringoFWLine returns the second command line, of length 0 if there is none. It
// is called while addresses of the image are physical.
func ringoFWLine() []byte {
	f := &ringoFW
	if ringoFWByte4(ringoFWSignature) != 'Q'|'E'<<8|'M'<<16|'U'<<24 || ringoFWByte4(ringoFWID)&ringoFWHasDMA == 0 {
		return nil
	}
	if !ringoFWTransfer(ringoFWDirectory<<16|ringoFWSelect, unsafe.Pointer(&f.count), unsafe.Sizeof(f.count)) {
		return nil
	}
	for n := sys.Bswap32(f.count); n > 0; n-- {
		if !ringoFWTransfer(0, unsafe.Pointer(&f.entry), unsafe.Sizeof(f.entry)) {
			return nil
		}
		const n = len(ringoFWName)
		if f.entry.name[n] != 0 || string(f.entry.name[:n]) != ringoFWName {
			continue
		}
		size := sys.Bswap32(f.entry.size)
		if size > uint32(len(f.line)) {
			ringoFatal("the command line of QEMU's fw_cfg is longer than 4096 bytes")
		}
		selector := uint32(f.entry.selector>>8 | f.entry.selector<<8)
		if !ringoFWTransfer(selector<<16|ringoFWSelect, unsafe.Pointer(&f.line), uintptr(size)) {
			return nil
		}
		return f.line[:size]
	}
	return nil
}

// ringoFWByte4 returns the first four bytes of what a selector stands for.
func ringoFWByte4(selector uint16) (v uint32) {
	ringoOut16(ringoFWSelector, selector)
	for i := range 4 {
		v |= uint32(ringoIn8(ringoFWData)) << (8 * i)
	}
	return v
}

// ringoFWTransfer lets the device write the next n bytes of what was selected to
// p. It reports whether it did.
func ringoFWTransfer(control uint32, p unsafe.Pointer, n uintptr) bool {
	t := &ringoFW.transfer
	t.control = sys.Bswap32(control | ringoFWRead)
	t.length = sys.Bswap32(uint32(n))
	t.address = uint64(sys.Bswap32(uint32(uintptr(p)))) << 32 // below 4 GiB
	ringoOut32(ringoFWDMA, 0)
	ringoOut32(ringoFWDMA+4, sys.Bswap32(uint32(uintptr(unsafe.Pointer(t)))))
	for {
		switch v := atomic.Load(&t.control); {
		case v == 0:
			return true
		case sys.Bswap32(v)&ringoFWError != 0:
			return false
		}
	}
}
