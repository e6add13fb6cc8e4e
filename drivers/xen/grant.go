package xen

import (
	"sync/atomic"
	"unsafe"

	"ringo.dev/ringo/rt"
)

// grantTable is the domain's table of grants (grant_table.h), of version 1:
// which pages other domains may access. An entry's index is its reference.
type grantTable struct {
	pages []*[grantsInPage]grantEntry
	next  uint32 // first entry that is free
}

// grantEntry is struct grant_entry_v1. The flags make it valid, so they are
// written last.
type grantEntry struct {
	flags uint32 // GTF_* below, the domain above
	frame uint32
}

const (
	grantsInPage   = pageSize / 8
	grantsReserved = 8 // GNTTAB_NR_RESERVED_ENTRIES

	grantAccess   = 1 // GTF_permit_access
	grantReadOnly = 4 // GTF_readonly
)

// add enters a page, by its frame number, for a domain.
func (t *grantTable) add(domain uint16, frame uint64, readOnly bool) (ref uint32, err error) {
	t.next = max(t.next, grantsReserved)
	if t.next/grantsInPage == uint32(len(t.pages)) {
		if err := t.grow(); err != nil {
			return 0, err
		}
	}
	flags := uint32(grantAccess)
	if readOnly {
		flags |= grantReadOnly
	}
	ref = t.next
	t.next++
	e := &t.pages[ref/grantsInPage][ref%grantsInPage]
	e.frame = uint32(frame)
	atomic.StoreUint32(&e.flags, flags|uint32(domain)<<16)
	return ref, nil
}

// grow has Xen put another page of the table in the place of a page of memory.
func (t *grantTable) grow() error {
	p := &newPages(1)[0]
	add := struct { // struct xen_add_to_physmap
		domain, size uint16
		space        uint32
		index, frame uint64
	}{
		domain: self, space: spaceGrantTable, index: uint64(len(t.pages)),
		frame: rt.DeviceAddr(unsafe.Pointer(p)) / pageSize,
	}
	if err := hypercall("the grant table", opMemory, memoryAddToPhysmap, unsafe.Pointer(&add)); err != nil {
		return err
	}
	t.pages = append(t.pages, (*[grantsInPage]grantEntry)(unsafe.Pointer(p)))
	return nil
}
