package vmm

import (
	"errors"
	"os"
	"strings"
	"testing"
)

func TestCheckLevel(t *testing.T) {
	for program := uint32(0); program <= 5; program++ {
		for processor := uint32(1); processor <= 4; processor++ {
			err := checkLevel(program, func() uint32 { return processor })
			if program <= processor && err != nil || program > processor && !errors.Is(err, ErrImage) {
				t.Errorf("v%d on a processor of v%d: %v", program, processor, err)
			}
		}
	}
}

// TestProcessorLevel compares with what Linux says of this processor.
func TestProcessorLevel(t *testing.T) {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(info), "\nflags")
	flags, _, _ := strings.Cut(rest, "\n")
	want := uint32(1)
	for _, needed := range []string{
		"pni ssse3 cx16 sse4_1 sse4_2 popcnt lahf_lm",
		"avx avx2 bmi1 bmi2 f16c fma abm movbe xsave",
		"avx512f avx512bw avx512cd avx512dq avx512vl",
	} {
		for _, flag := range strings.Fields(needed) {
			if !strings.Contains(flags+" ", " "+flag+" ") {
				needed = ""
			}
		}
		if needed == "" {
			break
		}
		want++
	}
	if got := processorLevel(); got != want {
		t.Errorf("v%d, want v%d", got, want)
	}
}
