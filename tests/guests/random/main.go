// Command random shows random numbers.
package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"math/bits"
	mrand "math/rand/v2"

	"golang.org/x/sys/unix"

	"ringo.dev/ringo/tests/guests/check"
)

func main() {
	check.Main(check.Properties{
		"print": show,
		"bits":  balanced,
		"raw":   raw,
	})
}

// show prints numbers that the tests compare from run to run.
func show() error {
	b := make([]byte, 16)
	rand.Read(b)
	fmt.Printf("random %x %x\n", b, mrand.Uint64())
	return nil
}

// balanced wants about as many ones as zeroes, in each place of a byte.
func balanced() error {
	b := make([]byte, 1<<18)
	rand.Read(b)
	ones := 0
	for _, x := range b {
		ones += bits.OnesCount8(x)
	}
	// Six standard deviations of the sum of 2^21 coin flips.
	if d := ones - 4*len(b); d < -4350 || d > 4350 {
		return fmt.Errorf("%d ones among %d bits", ones, 8*len(b))
	}
	return nil
}

func raw() error {
	var a, b [32]byte
	for _, p := range [][]byte{a[:], b[:]} {
		if n, err := unix.Getrandom(p, 0); n != len(p) || err != nil {
			return fmt.Errorf("getrandom: %d, %v", n, err)
		}
	}
	if a == b || a == [32]byte{} {
		return errors.New("not random")
	}
	return nil
}
