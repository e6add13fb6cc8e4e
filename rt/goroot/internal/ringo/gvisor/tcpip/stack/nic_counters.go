//go:build ringo

package stack

import (
	"unsafe"

	"gvisor.dev/gvisor/pkg/tcpip"
)

// init makes an interface count in its own statistics, and not in the stack's as well:
// those are the sum of the interfaces'. The structure of this package has the same counters
// as that of package tcpip, in the same order.
func (m *multiCounterNICStats) init(nic, _ *tcpip.NICStats) {
	*m = *(*multiCounterNICStats)(unsafe.Pointer(nic))
}
