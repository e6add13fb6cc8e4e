package roots

import (
	"crypto/x509"
	"encoding/pem"
	"testing"
)

func TestFile(t *testing.T) {
	n := 0
	for block, rest := pem.Decode([]byte(file())); block != nil; block, rest = pem.Decode(rest) {
		if _, err := x509.ParseCertificate(block.Bytes); err != nil {
			t.Error(err)
		}
		n++
	}
	if n < 50 {
		t.Errorf("there are %d certificates in it", n)
	}
}
