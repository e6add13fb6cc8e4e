// Package roots offers the root certificates of Mozilla's trust store as the
// file that programs look for first, /etc/ssl/certs/ca-certificates.crt.
// Package crypto/x509 calls it when it needs them, so that a program which
// verifies no certificates does not hold them.
package roots

import (
	"encoding/pem"
	"strings"

	"golang.org/x/crypto/x509roots/fallback/bundle"

	"ringo.dev/ringo/kernel"
	"ringo.dev/ringo/rt"
)

// Provide offers the file. As a process of the host's kernel it does nothing.
func Provide() {
	if rt.Bare() {
		kernel.Provide("/etc/ssl/certs/ca-certificates.crt", file)
	}
}

// file returns the certificates. Those are left out that are to be trusted with
// reservations, which such a file cannot say.
func file() string {
	var b strings.Builder
	for root := range bundle.Roots() {
		if root.Constraint == nil {
			pem.Encode(&b, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}) // to a Builder, it does not fail
		}
	}
	return b.String()
}
