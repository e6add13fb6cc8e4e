//go:build ringo

package stack

import (
	"encoding/binary"
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/tcpip"
)

// missedAddress remembers the IPv4 address that was last looked for among the
// subnets of an interface's addresses without success. For each packet, the peer's
// is looked for on every interface, twice.
//
// Only a further address can change the answer: it forgets.
type missedAddress struct {
	key atomic.Uint64 // the address and a bit above it; 0: none
}

func (m *missedAddress) is(addr tcpip.Address) bool {
	return addr.Len() == 4 && m.key.Load() == missedKey(addr)
}

func (m *missedAddress) set(addr tcpip.Address) {
	if addr.Len() == 4 {
		m.key.Store(missedKey(addr))
	}
}

func (m *missedAddress) forget() { m.key.Store(0) }

// Remembered is AcquireAssignedAddressOrMatching for who neither keeps an address nor
// wants a temporary one. It needs no locks, but knows only the addresses that were
// looked for last.
func (a *AddressableEndpointState) Remembered(addr tcpip.Address, allowTemp, readOnly bool) (ep AddressEndpoint, known bool) {
	if allowTemp || !readOnly {
		return nil, false
	}
	if a.missed.is(addr) {
		return nil, true
	}
	if s := a.found.Load(); s != nil && s.addr.Address == addr && s.IsAssigned(false) {
		return s, true
	}
	return nil, false
}

// decUnlessLast gives a reference back, unless it is the last one: that takes the lock
// of those who may look for the address.
func (r *addressStateRefs) decUnlessLast() bool {
	for {
		v := r.refCount.Load()
		if int32(v) <= 1 { // those who are about to refer to it count above
			return false
		}
		if r.refCount.CompareAndSwap(v, v-1) {
			return true
		}
	}
}

func missedKey(addr tcpip.Address) uint64 {
	b := addr.As4()
	return 1<<32 | uint64(binary.BigEndian.Uint32(b[:]))
}
