package siphash

import "testing"

// TestVectors uses the key 00 01 … 0f, and messages 00 01 … of some lengths. That of
// 15 bytes is in the paper's appendix, the others are in its reference implementation.
func TestVectors(t *testing.T) {
	var key [16]byte
	var data [64]byte
	for i := range key {
		key[i] = byte(i)
	}
	for i := range data {
		data[i] = byte(i)
	}
	for n, want := range map[int]uint64{
		0: 0x726fdb47dd0e0e31, 1: 0x74f839c593dc67fd, 7: 0xab0200f58b01d137, 8: 0x93f5f5799a932462,
		15: 0xa129ca6149be45e5, 16: 0x3f2acc7f57c29bdb, 63: 0x958a324ceb064572,
	} {
		if got := Sum(&key, data[:n]); got != want {
			t.Errorf("%d bytes: %#x, want %#x", n, got, want)
		}
	}
}
