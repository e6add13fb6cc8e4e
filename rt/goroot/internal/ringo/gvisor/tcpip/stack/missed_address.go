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

func missedKey(addr tcpip.Address) uint64 {
	b := addr.As4()
	return 1<<32 | uint64(binary.BigEndian.Uint32(b[:]))
}
