package chacha

import (
	"encoding/binary"
	"encoding/hex"
	"testing"
)

// TestVectors checks the first blocks for a key of zeroes (RFC 8439, appendix
// A.1, test vectors 1 and 2; there the counter has 32 bits, which is no
// difference here).
func TestVectors(t *testing.T) {
	for counter, want := range []string{
		"76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586",
		"9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed29b721769ce64e43d57133b074d839d531ed1f28510afb45ace10a1f4b794d6f",
	} {
		var out [16]uint32
		var key [8]uint32
		Block(&out, &key, uint64(counter))
		b, _ := binary.Append(nil, binary.LittleEndian, out)
		if got := hex.EncodeToString(b); got != want {
			t.Errorf("block %d is %s, want %s", counter, got, want)
		}
	}
}
