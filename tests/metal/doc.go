// Package metal tests that programs boot by themselves under other hypervisors
// than ringo's own: what the machines of QEMU offer, without KVM.
package metal
