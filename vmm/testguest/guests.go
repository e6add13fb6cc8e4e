// Package testguest has tiny guests for the VMM's tests, one property each,
// written in assembly (guests_amd64.s), and makes bootable ELF files of them.
package testguest

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"unsafe"

	"ringo.dev/ringo/vmm/abi"
)

// Guest is one of the guests.
type Guest int

// The guests; what each does stands at its code.
const (
	Hello Guest = iota
	Trap
	Paging
	Tick
	Syscall
	Wait
	Kick
	Calls
	Touch
	Access
	Revoke
	Shootdown
	Print
	Bell
	Overrun
	Signals
	Device
	Hostile
	guests
)

var entries [guests]uintptr // by guests_amd64.s

// The types by whose names go_asm.h gives the assembly the offsets.
type (
	boot    abi.Boot
	console abi.Console
	vcpu    abi.VCPU
)

var _, _, _ = (*boot)(nil), (*console)(nil), (*vcpu)(nil)

// maxCode is more than any guest's code.
const maxCode = 1024

// Code returns the guest's instructions, followed by others.
func (g Guest) Code() []byte {
	return unsafe.Slice(*(**byte)(unsafe.Pointer(&entries[g])), maxCode)
}

// Where Image puts the parts of a guest.
const (
	HeaderAddr = 0x400000 // ELF header, then code
	CodeAddr   = HeaderAddr + abi.PageSize
	DataAddr   = 0x600000 // Data, then zeroes up to DataSize
	DataSize   = 3*abi.PageSize + 100
)

// Data is the start of the data segment.
var Data = []byte("initial data")

// File is an ELF file that can be spoilt before it is written.
type File struct {
	Header   elf.Header64
	Programs []elf.Prog64
	Note     abi.Note
	Code     []byte
}

// New makes a right file with the given code.
func New(code []byte) *File {
	const headers, pageSize = 64 + 3*56, abi.PageSize
	f := &File{
		Header: elf.Header64{
			Type: uint16(elf.ET_EXEC), Machine: uint16(elf.EM_X86_64), Version: 1, Entry: CodeAddr,
			Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: 3, Shentsize: 64,
		},
		Programs: []elf.Prog64{
			{Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_R | elf.PF_X), Vaddr: HeaderAddr, Filesz: pageSize + uint64(len(code)), Memsz: pageSize + uint64(len(code)), Align: pageSize},
			{Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_R | elf.PF_W), Off: 2 * pageSize, Vaddr: DataAddr, Filesz: uint64(len(Data)), Memsz: DataSize, Align: pageSize},
			{Type: uint32(elf.PT_NOTE), Flags: uint32(elf.PF_R), Off: headers, Vaddr: HeaderAddr + headers, Filesz: 36, Memsz: 36, Align: 4},
		},
		Note: abi.Note{Version: abi.Version, Entry: CodeAddr},
		Code: code,
	}
	copy(f.Header.Ident[:], elf.ELFMAG)
	f.Header.Ident[elf.EI_CLASS], f.Header.Ident[elf.EI_DATA], f.Header.Ident[elf.EI_VERSION] = 2, 1, 1
	return f
}

// Bytes returns the file's contents.
func (f *File) Bytes() []byte {
	var b bytes.Buffer
	le := binary.LittleEndian
	binary.Write(&b, le, f.Header)
	binary.Write(&b, le, f.Programs)
	name := abi.NoteName + "\x00\x00\x00" // padded to 4
	binary.Write(&b, le, []uint32{uint32(len(abi.NoteName) + 1), uint32(binary.Size(f.Note)), abi.NoteType})
	b.WriteString(name)
	binary.Write(&b, le, f.Note)
	b.Write(make([]byte, abi.PageSize-b.Len()))
	b.Write(f.Code)
	b.Write(make([]byte, 2*abi.PageSize-b.Len()))
	b.Write(Data)
	b.WriteString("bytes after the data segment, which the guest must not see")
	return b.Bytes()
}
