package xen

import (
	"runtime"
	"sync/atomic"
	"unsafe"

	"ringo.dev/ringo/drivers/virtio"
)

// ring is our side of a ring of requests and responses (io/ring.h): a page whose
// slots hold requests first and, when the other side has seen to these,
// responses. Indices run freely. It is for one goroutine at a time.
//
// The other side can write the page at any time. So what is in a slot is copied
// before it is looked at.
type ring struct {
	mem  *page
	slot int    // size of a slot
	size uint32 // number of slots, a power of two
	put  uint32 // requests that were made, not all of them published
	got  uint32 // responses that were taken
	err  error  // set when the other side broke the protocol: the ring is dead
}

// Offsets in the page.
const (
	ringRequests      = 0 // req_prod: requests published, written by us
	ringRequestEvent  = 4 // req_event: which of them the other side wants to be told of
	ringResponses     = 8 // rsp_prod, rsp_event: the same in the other direction
	ringResponseEvent = 12
	ringSlots         = 64
)

// newRing makes a ring in an empty page. Both requests and responses fit slot
// bytes.
func newRing(mem *page, slot int) *ring {
	size := uint32(1)
	for ringSlots+int(2*size)*slot <= pageSize {
		size *= 2
	}
	r := &ring{mem: mem, slot: slot, size: size}
	*r.word(ringRequestEvent) = 1
	*r.word(ringResponseEvent) = 1
	return r
}

// word returns an index of the ring.
func (r *ring) word(off int) *uint32 { return (*uint32)(unsafe.Pointer(&r.mem[off])) }

// at returns the slot of a request or response.
func (r *ring) at(i uint32) []byte {
	return r.mem[ringSlots+int(i%r.size)*r.slot:][:r.slot]
}

// free returns the number of requests that can be made.
func (r *ring) free() uint32 { return r.size - (r.put - r.got) }

// request returns the slot of the next request, to be filled. There must be one
// free.
func (r *ring) request() []byte {
	r.put++
	return r.at(r.put - 1)
}

// publish lets the other side see the requests made. It reports whether it wants
// to be told.
func (r *ring) publish() (notify bool) {
	old := *r.word(ringRequests)
	if old == r.put {
		return false
	}
	atomic.StoreUint32(r.word(ringRequests), r.put)
	return r.put-atomic.LoadUint32(r.word(ringRequestEvent)) < r.put-old
}

// ready returns the number of responses that wait to be taken.
func (r *ring) ready() uint32 {
	n := atomic.LoadUint32(r.word(ringResponses)) - r.got
	if r.err != nil {
		return 0
	}
	if n > r.put-r.got {
		r.err = backendError("the back end answered more than it was asked")
		return 0
	}
	return n
}

// response copies the next response to b. There must be one.
func (r *ring) response(b []byte) {
	copy(b, r.at(r.got))
	r.got++
}

// wait sleeps until n more responses are there than were taken (it may return
// earlier), after giving others a chance to run meanwhile. All requests must
// have been published, and there must be n.
func (r *ring) wait(n uint32) {
	if runtime.Gosched(); r.ready() > 0 || r.err != nil {
		return
	}
	atomic.StoreUint32(r.word(ringResponseEvent), r.got+n)
	if r.ready() == 0 && r.err == nil {
		virtio.WaitIndex((*uint16)(unsafe.Pointer(r.word(ringResponses))), uint16(r.got))
	}
}
