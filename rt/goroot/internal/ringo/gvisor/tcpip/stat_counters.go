//go:build ringo

package tcpip

import "unsafe"

// These take the place of what looks at every field by reflection, and makes every counter
// an object of its own. Nothing is in the structures but pointers to counters, and in
// NICStats to two maps.

// FillIn returns a copy of s with counters where it has none.
func (s Stats) FillIn() Stats {
	fillIn(unsafe.Pointer(&s), unsafe.Sizeof(s), &s.NICs)
	return s
}

// FillIn returns a copy of s with counters where it has none.
func (s NICStats) FillIn() NICStats {
	fillIn(unsafe.Pointer(&s), unsafe.Sizeof(s), &s)
	return s
}

// fillIn makes the maps of an interface, and the counters that a structure has not, all at
// once. As it is for two structures at the start, it is not to be there twice.
//
//go:noinline
func fillIn(structure unsafe.Pointer, size uintptr, nic *NICStats) {
	for _, m := range []**IntegralStatCounterMap{&nic.UnknownL3ProtocolRcvdPacketCounts, &nic.UnknownL4ProtocolRcvdPacketCounts} {
		if *m == nil {
			*m = new(IntegralStatCounterMap)
			(*m).Init()
		}
	}
	fields := unsafe.Slice((**StatCounter)(structure), size/unsafe.Sizeof(uintptr(0)))
	counters := make([]StatCounter, len(fields))
	for i := range fields {
		if fields[i] == nil {
			fields[i] = &counters[i]
		}
	}
}
