// Package tests holds what must hold of ringo as a whole, as its users see it:
// they build programs with the ringo command and run them, in VMs and as
// processes.
//
//	guests/   programs that show one property at a time (guests_test.go)
//	programs/ what else the tests boot
//	metal/    how they boot without ringo's own VMM
//	matrix/   that, in all combinations, as a table
//	xen/      domains of a real Xen
//	rigs/     other hypervisors and kinds of KVM, in QEMU
//	harness/  how ringo is built and run, and networks for it
//	load/     a generator of HTTP and UDP load
//	bench/    a table of figures, against the same programs as processes
//	profile/ the profile with which guests are compiled
//	stress/   many runs of what must never hang
//	crash/    machines killed while they write to a disk
//	conformance/ tests that others have written, in guests
//
// What boots guests needs /dev/kvm and fails without it.
package tests
