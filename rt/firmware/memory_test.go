package firmware

import (
	"encoding/binary"
	"testing"
)

// le is the order of all that is put into memory for tests.
var le = binary.LittleEndian

func TestMemory(t *testing.T) {
	m := Memory{0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99}
	if v := m.Uint8(8); v != 0x99 {
		t.Errorf("%#x", v)
	}
	if v := m.Uint16(7); v != 0x9988 {
		t.Errorf("%#x", v)
	}
	if v := m.Uint32(5); v != 0x99887766 {
		t.Errorf("%#x", v)
	}
	if v := m.Uint64(1); v != 0x9988776655443322 {
		t.Errorf("%#x", v)
	}
	for _, addr := range []uint64{9, 10, 1 << 32, 1<<64 - 1, 1<<64 - 4, 1 << 63} {
		if m.Uint8(addr) != 0 || m.Uint16(addr) != 0 || m.Uint32(addr) != 0 || m.Uint64(addr) != 0 {
			t.Errorf("%#x is outside and does not read as zeros", addr)
		}
	}
	if m.Uint16(8) != 0 || m.Uint32(6) != 0 || m.Uint64(2) != 0 {
		t.Error("what is partly outside does not read as zeros")
	}
	if m.Part(9, 0) == nil || m.Part(9, 1) != nil || m.Part(1, 1<<64-1) != nil || m.Part(1<<64-1, 2) != nil {
		t.Error("wrong parts")
	}
}
