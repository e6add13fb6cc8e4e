package kernel

// Little-endian words and numbers as text, for the layouts of Linux's ABI.
// (Package encoding/binary would bring package reflect into every program.)

func put64(b []byte, v uint64) {
	_ = b[7]
	for i := range 8 {
		b[i] = byte(v >> (8 * i))
	}
}

func get64(b []byte) (v uint64) {
	_ = b[7]
	for i := range 8 {
		v |= uint64(b[i]) << (8 * i)
	}
	return v
}

func put32(b []byte, v uint32) {
	_ = b[3]
	for i := range 4 {
		b[i] = byte(v >> (8 * i))
	}
}

func get32(b []byte) (v uint32) {
	_ = b[3]
	for i := range 4 {
		v |= uint32(b[i]) << (8 * i)
	}
	return v
}

func get16(b []byte) uint16 { return uint16(b[0]) | uint16(b[1])<<8 }
