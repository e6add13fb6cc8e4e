package spec

// Feature bits of the network device (5.1.3), as masks.
const (
	NetCSum      = 1 << 0  // the device completes checksums of packets it gets
	NetGuestCSum = 1 << 1  // the driver takes packets with incomplete checksums
	NetMTU       = 1 << 3  // NetConfigMTU is valid
	NetMAC       = 1 << 5  // NetConfigMAC is valid
	NetGuestTSO4 = 1 << 7  // the driver takes large TCP segments
	NetGuestTSO6 = 1 << 8  //
	NetHostTSO4  = 1 << 11 // the device takes large TCP segments
	NetHostTSO6  = 1 << 12 //
	NetMrgRxBuf  = 1 << 15 // a received packet may fill several buffers
)

// Offsets in the network device's configuration space (5.1.4).
const (
	NetConfigMAC = 0
	NetConfigMTU = 10
	NetConfigLen = 12
)

// Queues of a network device with one queue pair.
const (
	NetQueueRX = 0
	NetQueueTX = 1
	NetQueues  = 2
)

// NetHeader precedes every packet, in both directions (5.1.6).
type NetHeader struct {
	Flags      uint8
	GSOType    uint8
	HdrLen     uint16 // bytes of all headers of a large segment: a hint
	GSOSize    uint16 // payload bytes of each packet that a large segment becomes
	CSumStart  uint16 // where to begin checksumming, from the packet's start
	CSumOffset uint16 // where to put the sum, from CSumStart
	NumBuffers uint16 // buffers that a received packet fills (NetMrgRxBuf)
}

// NetHeaderLen is the length of an encoded NetHeader. On legacy devices without
// NetMrgRxBuf it is NetHeaderLenShort: the number of buffers is not there.
const (
	NetHeaderLen      = 12
	NetHeaderLenShort = 10
)

// Flags and GSO types of NetHeader.
const (
	NetNeedsCSum = 1 // CSumStart and CSumOffset are valid, the sum is incomplete
	NetDataValid = 2 // the device has verified the checksum

	NetGSONone  = 0
	NetGSOTCPv4 = 1
	NetGSOTCPv6 = 4
	NetGSOECN   = 0x80 // added to one of the above
)

// Encode writes h to the first NetHeaderLen bytes of b.
func (h *NetHeader) Encode(b []byte) {
	_ = b[NetHeaderLen-1]
	b[0], b[1] = h.Flags, h.GSOType
	put16(b[2:], h.HdrLen)
	put16(b[4:], h.GSOSize)
	put16(b[6:], h.CSumStart)
	put16(b[8:], h.CSumOffset)
	put16(b[10:], h.NumBuffers)
}

// Decode reads h from the first NetHeaderLen bytes of b.
func (h *NetHeader) Decode(b []byte) {
	_ = b[NetHeaderLen-1]
	h.Flags, h.GSOType = b[0], b[1]
	h.HdrLen = get16(b[2:])
	h.GSOSize = get16(b[4:])
	h.CSumStart = get16(b[6:])
	h.CSumOffset = get16(b[8:])
	h.NumBuffers = get16(b[10:])
}

func get16(b []byte) uint16    { return uint16(b[0]) | uint16(b[1])<<8 }
func put16(b []byte, v uint16) { b[0], b[1] = byte(v), byte(v>>8) }
