// Package net has what a guest's network card can be connected to: a tap of the
// host, the user-mode gateway, or either of them behind a link with faults.
//
// Frames are Ethernet frames preceded by a virtio_net_hdr of
// spec.NetHeaderLen bytes (virtio 1.x section 5.1.6), in both directions, so
// that checksums and segmentation can be left to whoever is best at them.
package net

// Backend is what a guest's network card is connected to.
type Backend interface {
	// Features are the offloads, as feature bits of the network device
	// (spec.NetCSum and so on), of which the guest may use any.
	Features() uint64
	// MTU is the largest packet that can be sent, without Ethernet header.
	MTU() int
	// Attach connects the card: from now on frames for the guest may be given
	// to it. features are those that the guest uses.
	Attach(c Card, features uint64) error
	// Send takes a frame of the guest: the concatenation of its pieces, which
	// are valid during the call, and whose contents are not to be trusted and
	// may change at any time. A frame that makes no sense is dropped; an error
	// means that the backend is broken. One goroutine calls it at a time.
	Send(frame [][]byte) error
	// Flush follows one or more Sends when no more frames are there at the
	// moment.
	Flush()
	// Detach ends what Attach began; when it returns, the card is not used
	// any more. It may be attached again. The card's Wait returns false
	// meanwhile.
	Detach()
	// Close frees the backend's resources. It is detached.
	Close() error
}

// Poller is a Backend that can give the card its frames on the thread of a vCPU
// which is about to sleep: that saves waking two others.
type Poller interface {
	// Poll gives the card the frames that are there. It returns a descriptor
	// that becomes readable when there are more; until EndPoll the caller is
	// responsible for calling Poll again then. -1 means that the backend does
	// that itself.
	Poll() int
	EndPoll()
}

// Card is the receiving side of a guest's network card. It is for one goroutine
// at a time.
type Card interface {
	// Reserve returns the guest's memory for a frame of up to n bytes, header
	// included. It returns nil when the guest has no room at the moment.
	Reserve(n int) [][]byte
	// Commit gives the guest the frame of n bytes which was written to the
	// memory that Reserve returned last. Its header's NumBuffers is filled in.
	// The guest may not notice before Flush.
	Commit(n int)
	// Flush shows the guest what was committed.
	Flush()
	// Wait sleeps until the guest offers more room than the last Reserve found.
	// It returns false when the card is being detached.
	Wait() bool
}
