package main

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
)

// A call is a CALL instruction that has one target.
type call struct{ at, target uint64 } // virtual addresses

// aCall is a line of QEMU's log (-d in_asm) with such an instruction: its address, its
// bytes, and its text.
var aCall = regexp.MustCompile(`^0x([0-9a-f]+): +e8 ((?:[0-9a-f]{2} ){4}) `)

// callLength is the length of the instruction, opcode and displacement.
const callLength = 1 + 4

// readCalls returns the calls of a log of what QEMU translated, which is what was
// executed, each once.
func readCalls(log io.Reader) (map[call]bool, error) {
	calls := map[call]bool{}
	for lines := bufio.NewScanner(log); ; {
		if !lines.Scan() {
			return calls, lines.Err()
		}
		m := aCall.FindStringSubmatch(lines.Text())
		if m == nil {
			continue
		}
		at, err := strconv.ParseUint(m[1], 16, 64)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", lines.Text(), err)
		}
		displacement, err := hex.DecodeString(strings.ReplaceAll(m[2], " ", ""))
		if err != nil {
			return nil, fmt.Errorf("%q: %w", lines.Text(), err)
		}
		distance := int32(binary.LittleEndian.Uint32(displacement))
		calls[call{at, at + callLength + uint64(int64(distance))}] = true
	}
}
