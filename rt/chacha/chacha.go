// Package chacha is the block function of ChaCha20, for rt's random number
// generator: no allocation, no state.
package chacha

// Block computes the block of ChaCha20 (RFC 8439, 2.3) for a key, a 64-bit
// counter and a nonce of zeroes.
func Block(out *[16]uint32, key *[8]uint32, counter uint64) {
	in := [16]uint32{0: 0x61707865, 1: 0x3320646e, 2: 0x79622d32, 3: 0x6b206574,
		12: uint32(counter), 13: uint32(counter >> 32)}
	copy(in[4:12], key[:])
	x := in
	for range 10 {
		x[0], x[4], x[8], x[12] = quarter(x[0], x[4], x[8], x[12])
		x[1], x[5], x[9], x[13] = quarter(x[1], x[5], x[9], x[13])
		x[2], x[6], x[10], x[14] = quarter(x[2], x[6], x[10], x[14])
		x[3], x[7], x[11], x[15] = quarter(x[3], x[7], x[11], x[15])
		x[0], x[5], x[10], x[15] = quarter(x[0], x[5], x[10], x[15])
		x[1], x[6], x[11], x[12] = quarter(x[1], x[6], x[11], x[12])
		x[2], x[7], x[8], x[13] = quarter(x[2], x[7], x[8], x[13])
		x[3], x[4], x[9], x[14] = quarter(x[3], x[4], x[9], x[14])
	}
	for i := range out {
		out[i] = x[i] + in[i]
	}
}

// quarter is the quarter round (RFC 8439, 2.1), of values, which stay in registers.
func quarter(a, b, c, d uint32) (uint32, uint32, uint32, uint32) {
	a += b
	d = rotl(d^a, 16)
	c += d
	b = rotl(b^c, 12)
	a += b
	d = rotl(d^a, 8)
	c += d
	b = rotl(b^c, 7)
	return a, b, c, d
}

func rotl(v uint32, k uint) uint32 { return v<<k | v>>(32-k) }
