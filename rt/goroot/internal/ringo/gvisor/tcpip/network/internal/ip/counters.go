//go:build ringo

package ip

import "gvisor.dev/gvisor/pkg/tcpip"

// MultiCounterIPStats are the stack's IP statistics, in which all endpoints count. gVisor
// counts each packet in those of the interface's endpoint as well, which nothing reads.
type MultiCounterIPStats = *tcpip.IPStats
