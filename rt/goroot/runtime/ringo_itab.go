//go:build ringo

package runtime

// ringoItabHash is where the table of interface tables is looked into for a type, and
// an interface type, at these addresses.
//
//go:nosplit
func ringoItabHash(inter, typ uintptr) uintptr {
	const odd = 0x9e3779b97f4a7c15 // 2^64 divided by the golden ratio (Knuth)
	return (inter*odd ^ typ) * odd >> 32
}
