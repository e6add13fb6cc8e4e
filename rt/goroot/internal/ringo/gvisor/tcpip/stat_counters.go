//go:build ringo

package tcpip

import (
	"reflect"
	"unsafe"
)

// initStatCounters replaces the body of InitStatCounters, which looks at every field
// by reflection and makes every counter an object of its own, some hundred times
// before a program starts. Nothing is in these structures but pointers to counters,
// and in NICStats to two maps.
func initStatCounters(v reflect.Value) {
	switch s := v.Addr().Interface().(type) {
	case *Stats:
		s.NICs.initMaps()
	case *NICStats:
		s.initMaps()
	}
	fields := unsafe.Slice((*unsafe.Pointer)(v.Addr().UnsafePointer()), v.Type().Size()/unsafe.Sizeof(uintptr(0)))
	counters := make([]StatCounter, len(fields))
	for i := range fields {
		if fields[i] == nil {
			fields[i] = unsafe.Pointer(&counters[i])
		}
	}
}

func (s *NICStats) initMaps() {
	for _, m := range []**IntegralStatCounterMap{&s.UnknownL3ProtocolRcvdPacketCounts, &s.UnknownL4ProtocolRcvdPacketCounts} {
		if *m == nil {
			*m = new(IntegralStatCounterMap)
			(*m).Init()
		}
	}
}
