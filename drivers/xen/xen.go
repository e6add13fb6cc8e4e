// Package xen holds the guest's drivers for what Xen gives a domain through
// another one, usually domain 0: network cards (netfront), and the store by
// which the two sides find each other.
//
// The two share memory. A page of ours is granted to the other domain (grants),
// which puts responses where we put requests (ring), and each tells the other by
// an event that there is more. As of virtio devices, there are no interrupts for
// drivers: they poll an index in memory, and sleep in rt.WaitIndex.
//
// The other domain is not trusted: what it writes is read once and checked, and
// a back end that breaks the protocol yields an error that wraps ErrBackend,
// after which its driver is dead, and nothing else. It can reach no memory but
// that which is for it: packets are copied.
//
// The interface is that of Xen's public headers (xen/include/public), whose
// names the comments give.
package xen

import (
	"errors"
	"fmt"
	"unsafe"

	"ringo.dev/ringo/rt"
)

// ErrBackend is wrapped by every error that is the other domain's fault.
var ErrBackend = errors.New("xen: back end error")

// backendError describes what a back end did wrong.
type backendError string

func (e backendError) Error() string { return "xen: " + string(e) }
func (e backendError) Unwrap() error { return ErrBackend }

const pageSize = 4096

// page is a page of memory that is shared with another domain.
type page [pageSize]byte

// newPages returns n pages in a row, zeroed.
func newPages(n int) []page {
	return unsafe.Slice((*page)(rt.AllocDevice(uintptr(n)*pageSize)), n)
}

// hypervisor is what drivers ask of Xen itself.
type hypervisor interface {
	// grant permits a domain to read p, and to write it unless readOnly. It
	// cannot be taken back. The reference is what the domain knows p by.
	grant(domain uint16, p *page, readOnly bool) (ref uint32, err error)
	// listen returns a new event channel for a domain to connect to.
	listen(domain uint16) (port uint32, err error)
	// notify sends an event.
	notify(port uint32)
}

// Hypercalls (xen.h) and their commands.
const (
	opMemory = 12
	opEvent  = 32
	opHVM    = 34

	memoryAddToPhysmap = 7 // XENMEM_*
	spaceGrantTable    = 1 // XENMAPSPACE_*

	eventSend         = 4 // EVTCHNOP_*
	eventAllocUnbound = 6

	hvmGetParam = 1 // HVMOP_*

	paramStoreFrame = 1 // HVM_PARAM_*
	paramStorePort  = 2

	self = 0x7ff0 // DOMID_SELF
)

// hypercall makes a hypercall. What arg points to is Xen's to read and write.
func hypercall(name string, op, cmd uintptr, arg unsafe.Pointer) error {
	if r := rt.XenCall(op, cmd, arg, 0); r != 0 {
		return fmt.Errorf("xen: %s: error %d", name, -r)
	}
	return nil
}

// param returns a parameter of this domain.
func param(index uint32) (uint64, error) {
	p := struct { // struct xen_hvm_param
		domain uint16
		index  uint32
		value  uint64
	}{domain: self, index: index}
	err := hypercall("the domain's parameters", opHVM, hvmGetParam, unsafe.Pointer(&p))
	return p.value, err
}

// xen is the hypervisor below. It is for one goroutine at a time, except notify.
type xen struct{ grants grantTable }

func (x *xen) grant(domain uint16, p *page, readOnly bool) (uint32, error) {
	return x.grants.add(domain, rt.DeviceAddr(unsafe.Pointer(p))/pageSize, readOnly)
}

func (*xen) listen(domain uint16) (uint32, error) {
	e := struct { // struct evtchn_alloc_unbound
		domain, remote uint16
		port           uint32
	}{domain: self, remote: domain}
	err := hypercall("an event channel", opEvent, eventAllocUnbound, unsafe.Pointer(&e))
	return e.port, err
}

func (*xen) notify(port uint32) {
	// That nobody listens any more is no error: nobody answers, either.
	rt.XenCall(opEvent, eventSend, unsafe.Pointer(&port), 0)
}
