//go:build ringo

package stack

import (
	"encoding/binary"
	"sync"
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/tcpip/header"
)

// KnownUnicasts remembers pairs of IPv4 addresses of packets that arrived by an interface
// and were found to be for this machine: the source one that may be one, the destination
// an address of the interface, and no group. Of a further packet with the same addresses
// all that need not be asked again, as long as no address, route or interface changes.
type KnownUnicasts struct {
	version atomic.Uint32 // of routesVersion, for which pairs holds
	pairs   [16]atomic.Uint64

	mu sync.Mutex // held while pairs changes
}

// unicastLook is what a packet's look into KnownUnicasts has found.
type unicastLook struct {
	known   bool
	version uint32 // of routesVersion, when it looked
	looked  bool
}

// IsKnownUnicast reports whether Look has found the packet's addresses.
func (pk *PacketBuffer) IsKnownUnicast() bool { return pk.unicast.known }

// pair returns the addresses of a header as one number, and its place.
func (k *KnownUnicasts) pair(h header.IPv4) (pair uint64, place *atomic.Uint64) {
	pair = binary.BigEndian.Uint64(h[12:])
	return pair, &k.pairs[(pair>>32)%uint64(len(k.pairs))]
}

// Look looks for the addresses in a packet's header.
func (k *KnownUnicasts) Look(pk *PacketBuffer, h header.IPv4) bool {
	version := routesVersion.Load()
	pair, place := k.pair(h)
	pk.unicast = unicastLook{version: version, looked: true, known: pair != 0 && k.version.Load() == version && place.Load() == pair}
	return pk.unicast.known
}

// Learn remembers the addresses of a packet that Look had not found, and that is for
// this machine.
func (k *KnownUnicasts) Learn(pk *PacketBuffer, h header.IPv4) {
	info := &pk.NetworkPacketInfo
	if !pk.unicast.looked || info.LocalAddressBroadcast || info.LocalAddressTemporary {
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if pk.unicast.version != routesVersion.Load() {
		return // something changed meanwhile
	}
	if k.version.Load() != pk.unicast.version {
		for i := range k.pairs {
			k.pairs[i].Store(0)
		}
		k.version.Store(pk.unicast.version)
	}
	pair, place := k.pair(h)
	place.Store(pair)
}
