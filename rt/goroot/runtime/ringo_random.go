//go:build ringo

package runtime

import (
	"ringo.dev/ringo/rt/chacha"
	"unsafe"
)

// ringoRand is the random number generator behind getrandom(2): ChaCha20 with
// fast key erasure (each request's first half block becomes the next key),
// keyed from the machine's seed, RDRAND, and what ringoAddEntropy brings.
var ringoRand struct {
	lock    ringoSpin
	key     [8]uint32
	n       uint64
	starved bool // nothing that an attacker cannot guess went into key yet
}

// ringoRandomInit keys the generator. Without any source of randomness the
// generator is starved: package runtime's own needs, such as the order of maps, are met
// from the cycles since the machine's start, and the kernel, which package os starts
// before anybody can ask for more, adds a device's entropy or ends the machine.
//
//go:noinline
func ringoRandomInit(seed []byte) {
	sources := byte(0)
	for _, b := range seed {
		sources |= b
	}
	ringoRandomMix(seed)
	if _, _, c, _ := ringoCPUID(1, 0); c&(1<<30) != 0 {
		var words [4]uint64
		for i := range words {
			v, ok := ringoRDRAND()
			if ok {
				sources |= 1
			}
			words[i] = v
		}
		ringoRandomMix((*[32]byte)(unsafe.Pointer(&words))[:])
	}
	if sources == 0 {
		ringoRand.starved = true
		v := uint64(ringoRDTSC())
		ringoRandomMix((*[8]byte)(unsafe.Pointer(&v))[:])
	}
}

// ringoHasEntropy is rt.HasEntropy.
//
//go:linkname ringoHasEntropy
func ringoHasEntropy() bool { return !ringoRand.starved }

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
		ringoRandomBlock(&out)
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
	ringoRandomBlock(&out)
	copy(ringoRand.key[:], out[:8])
	have, used := unsafe.Pointer(&out[8]), uintptr(32)
	more := n > used
	for n > 0 {
		if used == 0 {
			ringoRandomBlock(&out)
			have, used = unsafe.Pointer(&out), 64
		}
		k := min(n, used)
		memmove(p, have, k)
		p = add(p, k)
		have = add(have, k)
		used -= k
		n -= k
	}
	if more { // than what came with the key, which was made of the key
		ringoRandomBlock(&out)
		copy(ringoRand.key[:], out[:8])
	}
	ringoRand.lock.unlock()
	out = [16]uint32{}
}

func ringoRandomBlock(out *[16]uint32) {
	ringoRand.n++
	chacha.Block(out, &ringoRand.key, ringoRand.n)
}
