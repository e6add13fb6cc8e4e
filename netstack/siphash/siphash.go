// Package siphash is SipHash-2-4 (Aumasson, Bernstein: SipHash: a fast short-input
// PRF, 2012): numbers that nobody can guess who does not know the key, at a tenth of
// the cost of SHA-256.
package siphash

import "math/bits"

// Sum returns the hash of data.
func Sum(key *[16]byte, data []byte) uint64 {
	k0, k1 := word(key[:8]), word(key[8:])
	s := state{k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261, k1 ^ 0x7465646279746573}
	last := uint64(len(data)) << 56
	for ; len(data) >= 8; data = data[8:] {
		s.add(word(data))
	}
	s.add(last | word(data))
	s.v2 ^= 0xff
	s.rounds(4)
	return s.v0 ^ s.v1 ^ s.v2 ^ s.v3
}

// word returns up to 8 bytes as a little-endian number.
func word(b []byte) (v uint64) {
	for i := range min(len(b), 8) {
		v |= uint64(b[i]) << (8 * i)
	}
	return v
}

type state struct{ v0, v1, v2, v3 uint64 }

func (s *state) add(word uint64) {
	s.v3 ^= word
	s.rounds(2)
	s.v0 ^= word
}

func (s *state) rounds(n int) {
	v0, v1, v2, v3 := s.v0, s.v1, s.v2, s.v3
	for range n {
		v0 += v1
		v2 += v3
		v1 = bits.RotateLeft64(v1, 13) ^ v0
		v3 = bits.RotateLeft64(v3, 16) ^ v2
		v0 = bits.RotateLeft64(v0, 32) + v3
		v2 += v1
		v3 = bits.RotateLeft64(v3, 21) ^ v0
		v1 = bits.RotateLeft64(v1, 17) ^ v2
		v2 = bits.RotateLeft64(v2, 32)
	}
	*s = state{v0, v1, v2, v3}
}
