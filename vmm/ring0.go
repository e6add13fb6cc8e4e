package vmm

import (
	"encoding/binary"
	"unsafe"

	"ringo.dev/ringo/vmm/abi"
	"ringo.dev/ringo/vmm/kvm"
	"ringo.dev/ringo/vmm/space"
)

// ring0 is all that runs at CPL 0: for every exception one OUT, which hands it
// to the VMM. Some KVMs emulate ring 0 and have no IRET there, so the VMM
// itself puts the vCPU back to CPL 3.
//
// The pages, mapped for supervisors only: the GDT and the stubs, the IDT, and
// for each vCPU its TSS, I/O bitmap and ring-0 stack.
type ring0 struct {
	codeAddr uint64 // GDT and stubs
	idtAddr  uint64
	cpusAddr uint64 // first vCPU's page
	cpus     []byte
}

const (
	vectors  = 256
	vectorPF = 14

	stubs    = 0x400 // offset of the stubs in their page
	stubSize = 8

	selKernel   = 0x08
	selUserData = 0x2b
	selUserCode = 0x33

	tssSize    = 104
	tssRSP0    = 4
	tssBitmap  = 102
	bitmapSize = (abi.PortConsoleBell + 1) / 8 // ports above it are denied
)

var gdt = [8]uint64{
	selKernel / 8:   0x00af9b000000ffff,
	selUserData / 8: 0x00cff3000000ffff,
	selUserCode / 8: 0x00affb000000ffff,
}

func newRing0(b *builder, cpus int) (r ring0) {
	const prot = abi.ProtRead | space.Supervisor
	var code, idt []byte
	r.codeAddr, code = b.control(abi.PageSize, prot|abi.ProtExec)
	r.idtAddr, idt = b.control(abi.PageSize, prot)
	r.cpusAddr, r.cpus = b.control(uintptr(cpus*abi.PageSize), prot|abi.ProtWrite)
	if b.err != nil {
		return r
	}
	binary.Encode(code, binary.LittleEndian, gdt)
	for v := range vectors + 1 { // the last is for SYSCALL
		const out, hlt = 0xe6, 0xf4
		copy(code[stubs+v*stubSize:], []byte{out, abi.PortTrap, hlt})
	}
	for v := range vectors {
		gate := uint64(0x8e) // present, interrupt gate, for CPL 0
		if v == 3 || v == 4 {
			gate = 0xee // INT3 and INTO are the guest's to use
		}
		h := r.codeAddr + stubs + uint64(v)*stubSize
		binary.LittleEndian.PutUint64(idt[v*16:], h&0xffff|selKernel<<16|gate<<40|(h>>16&0xffff)<<48)
		binary.LittleEndian.PutUint64(idt[v*16+8:], h>>32)
	}
	for n := range cpus {
		tss := r.cpus[n*abi.PageSize:]
		binary.LittleEndian.PutUint64(tss[tssRSP0:], r.stackTop(n))
		binary.LittleEndian.PutUint16(tss[tssBitmap:], tssSize)
		bitmap := tss[tssSize : tssSize+bitmapSize+1]
		for i := range bitmap {
			bitmap[i] = 0xff
		}
		for port := range uint16(bitmapSize * 8) {
			if portAllowed(port) {
				bitmap[port/8] &^= 1 << (port % 8)
			}
		}
	}
	return r
}

// portAllowed reports whether the guest has any business with a port.
func portAllowed(port uint16) bool {
	return port >= abi.PortExit && port < abi.PortTrap ||
		port >= abi.PortWake && port < abi.PortWake+abi.MaxVCPUs || port == abi.PortConsoleBell
}

func (r *ring0) stackTop(n int) uint64 { return r.cpusAddr + uint64(n+1)*abi.PageSize }

// vector tells which stub RIP is in.
func (r *ring0) vector(rip uint64) (v int, ok bool) {
	i := rip - r.codeAddr - stubs
	return int(i / stubSize), i < (vectors+1)*stubSize
}

// frame is what the CPU pushed on an exception.
type frame struct{ Error, RIP, CS, RFLAGS, RSP, SS uint64 }

// frame reads the exception frame on the ring-0 stack of vCPU n.
func (r *ring0) frame(n int, rsp uint64) (f frame, ok bool) {
	const words = uint64(unsafe.Sizeof(f) / 8)
	depth := (r.stackTop(n) - rsp) / 8
	if depth != words && depth != words-1 {
		return f, false
	}
	top := (n + 1) * abi.PageSize
	binary.Decode(r.cpus[top-int(words)*8:top], binary.LittleEndian, &f)
	if depth != words {
		f.Error = 0
	}
	return f, f.CS&3 == 3
}

// sregs completes the system registers of vCPU n, given those after reset.
func (r *ring0) sregs(s *kvm.Sregs, n int, root, gsBase uint64) {
	const (
		cr0  = 0x80050033        // PG, AM, WP, NE, ET, MP, PE
		cr4  = 0x50620           // OSXSAVE, FSGSBASE, OSXMMEXCPT, OSFXSR, PAE
		efer = 1<<11 | 0x500 | 1 // NXE, LMA, LME, SCE
	)
	userSegments(s)
	s.DS, s.ES, s.FS, s.GS = s.SS, s.SS, s.SS, s.SS
	s.GS.Base = gsBase
	s.LDT = kvm.Segment{Unuse: 1}
	s.TR = kvm.Segment{Base: r.cpusAddr + uint64(n)*abi.PageSize, Limit: tssSize + bitmapSize, Type: 11, Present: 1}
	s.GDT = kvm.Table{Base: r.codeAddr, Limit: uint16(len(gdt)*8 - 1)}
	s.IDT = kvm.Table{Base: r.idtAddr, Limit: vectors*16 - 1}
	s.CR0, s.CR3, s.CR4, s.EFER = cr0, root, cr4, efer
}

// userSegments puts the vCPU at CPL 3.
func userSegments(s *kvm.Sregs) {
	s.CS = kvm.Segment{Limit: 0xffffffff, Selector: selUserCode, Type: 11, Present: 1, DPL: 3, S: 1, L: 1, G: 1}
	s.SS = kvm.Segment{Limit: 0xffffffff, Selector: selUserData, Type: 3, Present: 1, DPL: 3, DB: 1, S: 1, G: 1}
}

// syscallEntry is the address of the stub of the SYSCALL instruction.
func (r *ring0) syscallEntry() uint64 { return r.codeAddr + stubs + abi.VectorSyscall*stubSize }

// syscallMSRs makes the SYSCALL instruction enter its stub.
func (r *ring0) syscallMSRs() []kvm.MSR {
	const star, lstar, fmask = 0xc0000081, 0xc0000082, 0xc0000084
	return []kvm.MSR{
		{Index: star, Data: (selUserData-8)<<48 | selKernel<<32},
		{Index: lstar, Data: r.syscallEntry()},
		{Index: fmask, Data: 0x47700}, // AC, NT, DF, IF, TF
	}
}
