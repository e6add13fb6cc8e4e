package harness

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
)

var pss = regexp.MustCompile(`(?m)^Pss:\s+(\d+) kB`)

// Memory returns the memory, in bytes, that a process holds: its proportional set size,
// which for a VMM is its own memory and what it has given to the guest.
func Memory(pid int) (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, err
	}
	m := pss.FindSubmatch(b)
	if m == nil {
		return 0, fmt.Errorf("no Pss in:\n%s", b)
	}
	kB, err := strconv.ParseInt(string(m[1]), 10, 64)
	if err != nil {
		return 0, err
	}
	return kB << 10, nil
}
