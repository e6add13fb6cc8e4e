//go:build ringo

package tcpip

// Variables of packages that hold addresses and subnets are made by these functions, each
// a single expression of its arguments: of constants the compiler makes constants, and
// nothing is left to do when a program starts.

// ConstantAddress4 is AddrFrom4 for the first four bytes.
func ConstantAddress4(b [16]byte) Address { return Address{addr: b, length: ipv4AddressSize} }

// ConstantSubnet4 is the IPv4 subnet of an address and a mask, each in the first four
// bytes. The address has no bit that the mask has not.
func ConstantSubnet4(b, mask [16]byte) Subnet {
	return Subnet{address: Address{addr: b, length: ipv4AddressSize}, mask: AddressMask{mask: mask, length: ipv4AddressSize}}
}

// ConstantSubnet6 is the IPv6 subnet of an address and a mask. The address has no bit that
// the mask has not.
func ConstantSubnet6(b, mask [16]byte) Subnet {
	return Subnet{address: Address{addr: b, length: ipv6AddressSize}, mask: AddressMask{mask: mask, length: ipv6AddressSize}}
}
