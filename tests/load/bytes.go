package load

import (
	"io"
	"math/rand/v2"
)

// Bytes returns n bytes that look random and are always the same.
func Bytes(n int64) io.Reader { return io.LimitReader(rand.NewChaCha8([32]byte{}), n) }
