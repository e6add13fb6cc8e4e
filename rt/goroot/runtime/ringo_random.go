//go:build ringo

package runtime

import (
	"unsafe"
)

// ringoRand is the random number generator behind getrandom(2): ChaCha20 with
// fast key erasure (each request's first half block becomes the next key),
// keyed from the machine's seed, RDRAND, and what ringoAddEntropy brings.
var ringoRand struct {
	lock ringoSpin
	key  [8]uint32
	n    uint64
}

// ringoRandomInit keys the generator. Without any source of randomness the
// machine does not start.
func ringoRandomInit(seed []byte) {
	sources := byte(0)
	for _, b := range seed {
		sources |= b
	}
	ringoRandomMix(seed)
	if _, _, c, _ := ringoCPUID(1, 0); c&(1<<30) != 0 {
		for i := 0; i < 4; i++ {
			v, ok := ringoRDRAND()
			if ok {
				sources |= 1
			}
			ringoRandomMix((*[8]byte)(unsafe.Pointer(&v))[:])
		}
	}
	if sources == 0 {
		ringoFatal("no entropy: the machine gave no seed and the processor has no RDRAND")
	}
}

// ringoRandomMix stirs p into the key: each 32 bytes are added to it, and a
// block's output replaces it.
func ringoRandomMix(p []byte) {
	ringoRand.lock.lock()
	for len(p) > 0 {
		k := min(len(p), 32)
		for i := 0; i < k; i++ {
			ringoRand.key[i/4] ^= uint32(p[i]) << (i % 4 * 8)
		}
		p = p[k:]
		var out [16]uint32
		ringoChaCha(&out)
		copy(ringoRand.key[:], out[:8])
	}
	ringoRand.lock.unlock()
}

// ringoRandomFill fills n bytes at p. The counter of the processor's cycles
// goes into every request, so that a machine resumed twice from one image does
// not repeat itself where RDRAND is missing.
func ringoRandomFill(p unsafe.Pointer, n uintptr) {
	var out [16]uint32
	ringoRand.lock.lock()
	ringoRand.key[0] ^= uint32(ringoRDTSC())
	ringoChaCha(&out)
	copy(ringoRand.key[:], out[:8])
	have, used := unsafe.Pointer(&out[8]), uintptr(32)
	for n > 0 {
		if used == 0 {
			ringoChaCha(&out)
			have, used = unsafe.Pointer(&out), 64
		}
		k := min(n, used)
		memmove(p, have, k)
		p = add(p, k)
		have = add(have, k)
		used -= k
		n -= k
	}
	ringoChaCha(&out)
	copy(ringoRand.key[:], out[:8])
	ringoRand.lock.unlock()
	out = [16]uint32{}
}

// ringoChaCha computes the next block of ChaCha20 (RFC 8439, 2.3) for the key.
func ringoChaCha(out *[16]uint32) {
	ringoRand.n++
	in := [16]uint32{0: 0x61707865, 1: 0x3320646e, 2: 0x79622d32, 3: 0x6b206574,
		12: uint32(ringoRand.n), 13: uint32(ringoRand.n >> 32)}
	copy(in[4:12], ringoRand.key[:])
	*out = in
	for i := 0; i < 10; i++ {
		ringoQuarter(out, 0, 4, 8, 12)
		ringoQuarter(out, 1, 5, 9, 13)
		ringoQuarter(out, 2, 6, 10, 14)
		ringoQuarter(out, 3, 7, 11, 15)
		ringoQuarter(out, 0, 5, 10, 15)
		ringoQuarter(out, 1, 6, 11, 12)
		ringoQuarter(out, 2, 7, 8, 13)
		ringoQuarter(out, 3, 4, 9, 14)
	}
	for i := range out {
		out[i] += in[i]
	}
}

func ringoQuarter(x *[16]uint32, a, b, c, d int) {
	x[a] += x[b]
	x[d] = ringoRotl(x[d]^x[a], 16)
	x[c] += x[d]
	x[b] = ringoRotl(x[b]^x[c], 12)
	x[a] += x[b]
	x[d] = ringoRotl(x[d]^x[a], 8)
	x[c] += x[d]
	x[b] = ringoRotl(x[b]^x[c], 7)
}

func ringoRotl(v uint32, k uint) uint32 { return v<<k | v>>(32-k) }
