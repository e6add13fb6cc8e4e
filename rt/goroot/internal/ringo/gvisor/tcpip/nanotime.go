//go:build ringo

package tcpip

import _ "unsafe" // for linkname

// nanotime is the runtime's monotonic clock.
//
//go:linkname nanotime runtime.nanotime
func nanotime() int64
