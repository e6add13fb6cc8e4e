package gateway

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// dhcpMessage returns a client's message with the given options.
func dhcpMessage(options ...byte) []byte {
	m := make([]byte, dhcpFixed)
	copy(m, []byte{1, 1, 6, 0, 0xde, 0xad, 0xbe, 0xef})
	copy(m[28:], "\x02\x00\x00\x00\x00\x15")
	m = binary.BigEndian.AppendUint32(m, dhcpCookie)
	return append(m, options...)
}

func TestDHCP(t *testing.T) {
	for _, c := range []struct {
		name    string
		options []byte
		kind    byte // 0: no answer
	}{
		{"discover", []byte{dhcpOptType, 1, dhcpDiscover, dhcpOptEnd}, dhcpOffer},
		{"discover, padded", []byte{0, 0, dhcpOptType, 1, dhcpDiscover, 0}, dhcpOffer},
		{"request", []byte{dhcpOptType, 1, dhcpRequest, dhcpOptRequest, 4, 10, 0, 2, 15, dhcpOptServerID, 4, 10, 0, 2, 2, dhcpOptEnd}, dhcpAck},
		{"request of another address", []byte{dhcpOptType, 1, dhcpRequest, dhcpOptRequest, 4, 10, 0, 2, 16, dhcpOptEnd}, dhcpNak},
		{"request to another server", []byte{dhcpOptType, 1, dhcpRequest, dhcpOptServerID, 4, 10, 0, 2, 9, dhcpOptEnd}, 0},
		{"release", []byte{dhcpOptType, 1, 7, dhcpOptEnd}, 0},
		{"no type", []byte{dhcpOptEnd}, 0},
		{"cut option", []byte{dhcpOptType, 5, 1}, 0},
	} {
		r := answerDHCP(dhcpMessage(c.options...))
		if r == nil {
			if c.kind != 0 {
				t.Errorf("%s: no answer", c.name)
			}
			continue
		}
		options := dhcpOptions(r[dhcpFixed+4:])
		if !bytes.Equal(options[dhcpOptType], []byte{c.kind}) {
			t.Errorf("%s: answered by %v, want %d", c.name, options[dhcpOptType], c.kind)
		}
		if !bytes.Equal(r[4:8], []byte{0xde, 0xad, 0xbe, 0xef}) || !bytes.Equal(r[28:34], []byte("\x02\x00\x00\x00\x00\x15")) {
			t.Errorf("%s: not for this client", c.name)
		}
		if c.kind == dhcpNak {
			continue
		}
		if !bytes.Equal(r[16:20], []byte{10, 0, 2, 15}) || !bytes.Equal(options[dhcpOptMask], []byte{255, 255, 255, 0}) ||
			!bytes.Equal(options[dhcpOptRouter], []byte{10, 0, 2, 2}) || !bytes.Equal(options[dhcpOptDNS], []byte{10, 0, 2, 3}) {
			t.Errorf("%s: offers %v, %v", c.name, r[16:20], options)
		}
	}
}

func FuzzDHCP(f *testing.F) {
	f.Add(dhcpMessage(dhcpOptType, 1, dhcpDiscover, dhcpOptEnd))
	f.Add(dhcpMessage(dhcpOptType, 255))
	f.Fuzz(func(t *testing.T, b []byte) {
		if r := answerDHCP(b); r != nil && len(r) < dhcpFixed+4 {
			t.Errorf("a reply of %d bytes", len(r))
		}
	})
}
