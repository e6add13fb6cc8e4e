// Package chacha is the block function of ChaCha20, for rt's random number
// generator: no allocation, no state.
package chacha

// Block computes the block of ChaCha20 (RFC 8439, 2.3) for a key, a 64-bit
// counter and a nonce of zeroes.
func Block(out *[16]uint32, key *[8]uint32, counter uint64) {
	in := [16]uint32{0: 0x61707865, 1: 0x3320646e, 2: 0x79622d32, 3: 0x6b206574,
		12: uint32(counter), 13: uint32(counter >> 32)}
	copy(in[4:12], key[:])
	*out = in
	for range 10 {
		quarter(out, 0, 4, 8, 12)
		quarter(out, 1, 5, 9, 13)
		quarter(out, 2, 6, 10, 14)
		quarter(out, 3, 7, 11, 15)
		quarter(out, 0, 5, 10, 15)
		quarter(out, 1, 6, 11, 12)
		quarter(out, 2, 7, 8, 13)
		quarter(out, 3, 4, 9, 14)
	}
	for i := range out {
		out[i] += in[i]
	}
}

func quarter(x *[16]uint32, a, b, c, d int) {
	x[a] += x[b]
	x[d] = rotl(x[d]^x[a], 16)
	x[c] += x[d]
	x[b] = rotl(x[b]^x[c], 12)
	x[a] += x[b]
	x[d] = rotl(x[d]^x[a], 8)
	x[c] += x[d]
	x[b] = rotl(x[b]^x[c], 7)
}

func rotl(v uint32, k uint) uint32 { return v<<k | v>>(32-k) }
