package volume

import (
	"hash/crc32"
	"math/bits"
)

// Everything on the disk is little-endian. (Package encoding/binary would bring
// package reflect into every program.)

func put16(b []byte, v uint16) { b[0], b[1] = byte(v), byte(v>>8) }

func put32(b []byte, v uint32) {
	_ = b[3]
	b[0], b[1], b[2], b[3] = byte(v), byte(v>>8), byte(v>>16), byte(v>>24)
}

func put64(b []byte, v uint64) {
	put32(b[:4], uint32(v))
	put32(b[4:8], uint32(v>>32))
}

func get16(b []byte) uint16 { return uint16(b[0]) | uint16(b[1])<<8 }

func get32(b []byte) uint32 {
	_ = b[3]
	return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16 | uint32(b[3])<<24
}

func get64(b []byte) uint64 { return uint64(get32(b[:4])) | uint64(get32(b[4:8]))<<32 }

// fields takes a record from the disk apart. Reading beyond its end gives zeroes
// and sets short, which the caller looks at once, when it is done.
type fields struct {
	rest  []byte
	short bool
}

// take returns the next n bytes, or n zeroes.
func (f *fields) take(n int) []byte {
	if n < 0 || n > len(f.rest) {
		f.short = true
		f.rest = nil
		return make([]byte, max(n, 0))
	}
	b := f.rest[:n:n]
	f.rest = f.rest[n:]
	return b
}

func (f *fields) u16() uint16 { return get16(f.take(2)) }
func (f *fields) u32() uint32 { return get32(f.take(4)) }
func (f *fields) u64() uint64 { return get64(f.take(8)) }

// record puts together what fields takes apart.
type record []byte

func (r record) u16(v uint16) record { return append(r, byte(v), byte(v>>8)) }
func (r record) u32(v uint32) record { return r.u16(uint16(v)).u16(uint16(v >> 16)) }
func (r record) u64(v uint64) record { return r.u32(uint32(v)).u32(uint32(v >> 32)) }

// checksum is CRC-32C, for which processors have an instruction. It finds every
// error of up to 32 neighbouring bits.
func checksum(b []byte) uint32 {
	return crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)) // made once, at the first call
}

// hashName is the place of a name in its directory: 58 bits, never 0. The
// volume's own seed keeps others from making names that collide.
func hashName(seed [2]uint64, name string) uint64 {
	h := seed[0]
	for len(name) > 0 {
		var word [8]byte
		n := copy(word[:], name)
		name = name[n:]
		h = mix(h^get64(word[:]), seed[1]^uint64(n)^0x9e3779b97f4a7c15)
	}
	h = mix(h, seed[1]) >> (64 - hashBits)
	return max(h, 1)
}

// mix multiplies, and folds the product's halves together.
func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo ^ a
}
