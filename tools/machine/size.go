package machine

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Size is an amount of memory in bytes. It is a flag value (pflag.Value).
type Size int64

// String returns the size as Set takes it.
func (s Size) String() string {
	switch {
	case s == 0:
		return "0"
	case s%(1<<30) == 0:
		return fmt.Sprintf("%dG", s>>30)
	case s%(1<<20) == 0:
		return fmt.Sprintf("%dM", s>>20)
	}
	return fmt.Sprintf("%dK", s>>10)
}

// Set parses a number with a unit: K, M, G or T, which is a power of 1024. A
// number alone counts M.
func (s *Size) Set(text string) error {
	number, shift := strings.TrimSuffix(strings.TrimSuffix(strings.ToUpper(text), "B"), "I"), 20
	for suffix, n := range map[string]int{"K": 10, "M": 20, "G": 30, "T": 40} {
		if rest, ok := strings.CutSuffix(number, suffix); ok {
			number, shift = rest, n
			break
		}
	}
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n <= 0 || n > math.MaxInt64>>shift {
		return fmt.Errorf("%q is no size; write 64M or 1G", text)
	}
	*s = Size(n << shift)
	return nil
}

// Type names the value in help texts.
func (s *Size) Type() string { return "SIZE" }
