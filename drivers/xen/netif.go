package xen

import "encoding/binary"

// The slots of a network card's rings (io/netif.h): requests, responses, and
// what may follow either to say more about a packet.

const (
	txSlot = 12 // struct netif_tx_request
	rxSlot = 8  // struct netif_rx_response, the larger one; a txExtra fits, too
)

// Flags of what is sent (NETTXF_*) and received (NETRXF_*).
const (
	txChecksumBlank = 1 << 0
	txDataValidated = 1 << 1
	txMore          = 1 << 2 // the next slot goes on with the packet
	txExtra         = 1 << 3 // the next slot says more of the packet

	rxDataValidated = 1 << 0
	rxChecksumBlank = 1 << 1
	rxMore          = 1 << 2
	rxExtra         = 1 << 3
)

// Extra slots (struct netif_extra_info).
const (
	extraGSO     = 1      // its type
	extraMore    = 1 << 0 // its flag: there is another one
	extraGSOTCP4 = 1
	extraGSOTCP6 = 2
)

// statusNull is the status of a response to an extra slot (NETIF_RSP_NULL).
const statusNull = 1

// txRequest is struct netif_tx_request: a piece of a packet to be sent.
type txRequest struct {
	ref    uint32
	offset uint16
	flags  uint16
	id     uint16
	size   uint16 // of the first piece: the whole packet's
}

func (t *txRequest) encode(b []byte) {
	le := binary.LittleEndian
	le.PutUint32(b[0:], t.ref)
	le.PutUint16(b[4:], t.offset)
	le.PutUint16(b[6:], t.flags)
	le.PutUint16(b[8:], t.id)
	le.PutUint16(b[10:], t.size)
}

// encodeGSO makes b an extra slot: the packet is a TCP segment to be cut into
// pieces of size bytes of payload.
func encodeGSO(b []byte, kind uint8, size uint16) {
	clear(b)
	b[0] = extraGSO
	binary.LittleEndian.PutUint16(b[2:], size)
	b[4] = kind
}

// decodeTx reads struct netif_tx_response.
func decodeTx(b []byte) (id uint16, status int16) {
	return binary.LittleEndian.Uint16(b), int16(binary.LittleEndian.Uint16(b[2:]))
}

// encodeRx makes b a struct netif_rx_request: a page to be filled.
func encodeRx(b []byte, id uint16, ref uint32) {
	binary.LittleEndian.PutUint32(b, uint32(id))
	binary.LittleEndian.PutUint32(b[4:], ref)
}

// rxResponse is struct netif_rx_response: a piece of a packet received.
type rxResponse struct {
	id     uint16
	offset uint16
	flags  uint16
	size   int16 // negative: an error
}

func decodeRx(b []byte) rxResponse {
	le := binary.LittleEndian
	return rxResponse{le.Uint16(b), le.Uint16(b[2:]), le.Uint16(b[4:]), int16(le.Uint16(b[6:]))}
}
