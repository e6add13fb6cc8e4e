//go:build ringo

package x509

import "ringo.dev/ringo/kernel/roots"

// ringoSystemRoots is loadSystemRoots where there is no other system.
func ringoSystemRoots() (*CertPool, error) {
	roots.Provide()
	return loadSystemRoots()
}
