//go:build ringo

package ipv6

import "gvisor.dev/gvisor/pkg/tcpip"

// policyTable has the labels of RFC 6724, 2.1, of which an address has that of the first
// subnet that it is in. It takes the place of a table that is computed at each start.
var policyTable = [...]struct {
	subnet tcpip.Subnet
	label  uint8
}{
	// ::1/128
	{tcpip.ConstantSubnet6([16]byte{15: 1}, [16]byte{255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255}), 0},
	// ::ffff:0:0/96
	{tcpip.ConstantSubnet6([16]byte{10: 0xff, 0xff}, [16]byte{255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255}), 4},
	// 2001::/32 (Teredo)
	{tcpip.ConstantSubnet6([16]byte{0x20, 0x01}, [16]byte{255, 255, 255, 255}), 5},
	// 2002::/16 (6to4)
	{tcpip.ConstantSubnet6([16]byte{0x20, 0x02}, [16]byte{255, 255}), 2},
	// fc00::/7 (unique local addresses)
	{tcpip.ConstantSubnet6([16]byte{0xfc}, [16]byte{0xfe}), 13},
	// ::/0
	{tcpip.ConstantSubnet6([16]byte{}, [16]byte{}), 1},
}
