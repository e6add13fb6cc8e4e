//go:build !ringo

package netstack

import "gvisor.dev/gvisor/pkg/tcpip"

// lossRecovery is not RACK: gVisor's own repeats one packet per timeout once
// it has lost many.
const lossRecovery = tcpip.TCPRecovery(0)
