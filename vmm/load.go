package vmm

import (
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"unsafe"

	"ringo.dev/ringo/vmm/abi"
	"ringo.dev/ringo/vmm/device"
	"ringo.dev/ringo/vmm/space"
)

// The guest's addresses, from low to high: the image, where the linker put it;
// what the guest maps, from a random address on; at another random address the
// VMM's own pages, and above them the main stack with a gap as its guard.
const (
	mapLowMin   = 64 << 30
	mapLowSlide = 512 << 30 // the Go heap begins at 768 GiB
	mapHigh     = 0x7e00_0000_0000
	ownMin      = 0x7f00_0000_0000
	ownSlide    = 0x80_0000_0000
	ownSize     = 4 << 20 // VMM pages, devices and a guard
	stackSize   = 8 << 20

	// firstZeroes is how much of the memory after the image's data, in which a
	// Go program keeps its variables, is given before it starts.
	firstZeroes = 512 << 10
)

// deviceGPA is the guest-physical address of the first device page: one
// without memory behind it.
const deviceGPA = 0xd000_0000

// layout is where the VMM's own things are.
type layout struct {
	*space.Space
	boot     *abi.Boot
	cpuPages []byte // see vcpuPage
	console  *abi.Console
	signals  *uint64
	ring0    ring0
	stack    uint64 // initial stack pointer
	bootAddr uint64
}

// shared is what guest and VMM both write to, apart from the pages of the vCPUs.
type shared struct {
	console abi.Console
	signals uint64
	posted  abi.Posted
}

// vcpuPage returns the shared page of vCPU n.
func (l *layout) vcpuPage(n int) *abi.VCPU {
	return (*abi.VCPU)(unsafe.Pointer(&l.cpuPages[n*abi.PageSize]))
}

// load makes the guest's memory from an image and what it is told. share is
// space.Config.Share.
func load(c *Config, m *image, hwcap uint32, share func(gpa uint64, mem []byte) error) (*layout, error) {
	var slide [2]uint64
	if err := binary.Read(rand.Reader, binary.NativeEndian, &slide); err != nil {
		return nil, err
	}
	const align = 2 << 20 // keeps everything under few page tables
	mapLow := mapLowMin + slide[0]%mapLowSlide&^(align-1)
	own := ownMin + slide[1]%ownSlide&^(align-1)
	config, err := configText(c.Settings)
	if err != nil {
		return nil, err
	}
	program, files := m.size()
	s, err := space.New(space.Config{
		Memory: uint64(c.Memory), Image: program, Files: files, Control: ownSize,
		Low: mapLow, High: mapHigh, Share: share,
	})
	if err != nil {
		return nil, err
	}
	l := &layout{Space: s}
	b := builder{s: s, next: own}
	if err := l.build(&b, c, m, config, mapLow, hwcap); err != nil {
		s.Close()
		return nil, err
	}
	return l, nil
}

func (l *layout) build(b *builder, c *Config, m *image, config string, mapLow uint64, hwcap uint32) error {
	l.ring0 = newRing0(b, c.CPUs)
	bootAddr, boot := b.control(unsafe.Sizeof(abi.Boot{}), abi.ProtRead)
	configAddr, configPage := b.control(uintptr(max(1, len(config))), abi.ProtRead)
	cpusAddr, cpus := b.control(uintptr(c.CPUs*abi.PageSize), abi.ProtRead|abi.ProtWrite)
	consoleAddr, console := b.control(unsafe.Sizeof(shared{}), abi.ProtRead|abi.ProtWrite)
	if b.err != nil {
		return b.err
	}
	copy(configPage, config)
	l.cpuPages = cpus
	own := (*shared)(unsafe.Pointer(&console[0]))
	l.console = &own.console
	l.signals = &own.signals
	l.TakePosted(&own.posted)
	l.bootAddr = bootAddr
	l.boot = (*abi.Boot)(unsafe.Pointer(&boot[0]))
	*l.boot = abi.Boot{
		Magic: abi.Magic, Version: abi.Version, VCPUs: uint32(c.CPUs),
		MemBytes: uint64(c.Memory) &^ (abi.PageSize - 1),
		VCPU0:    cpusAddr, MapLow: mapLow, MapHigh: mapHigh,
		Console: consoleAddr, Config: configAddr, ConfigLen: uint64(len(config)),
		Signals:  consoleAddr + uint64(unsafe.Offsetof(own.signals)),
		Posted:   consoleAddr + uint64(unsafe.Offsetof(own.posted)),
		NDevices: uint64(len(c.Devices)),
	}
	rand.Read(l.boot.Seed[:])
	for i, d := range c.Devices {
		l.boot.Devices[i] = abi.Device{ID: uint64(d.ID()), Addr: b.device(deviceGPA + uint64(i)*device.RegisterSize), Size: device.RegisterSize, Features: d.Features()}
	}
	for n := range c.CPUs {
		p := l.vcpuPage(n)
		p.Self, p.ID, p.Masked = cpusAddr+uint64(n)*abi.PageSize, uint32(n), 1
	}
	if b.err != nil {
		return b.err
	}
	for _, seg := range m.segments {
		if seg.file > 0 {
			mapFile := l.MapFile
			if seg.files {
				mapFile = l.MapFree
			}
			if err := mapFile(seg.addr, m.file, seg.offset, seg.file, seg.prot); err != nil {
				return err
			}
		}
		if file := (seg.file + abi.PageSize - 1) &^ (abi.PageSize - 1); file < seg.memory {
			l.Reserve(seg.addr+file, seg.memory-file, seg.prot, firstZeroes)
		}
	}
	l.boot.StackHigh = b.next&^(ownSize-1) + 2*ownSize + stackSize
	l.boot.StackLow = l.boot.StackHigh - stackSize
	l.Reserve(l.boot.StackLow, stackSize, abi.ProtRead|abi.ProtWrite, 0)
	l.PublishUsage(&l.boot.MemUsed)
	return l.startStack(l.boot.StackHigh, c, m, hwcap)
}

// startStack writes what a Linux process finds on its stack: argc, argv, envp
// and the auxiliary vector, below the strings that they point to.
func (l *layout) startStack(top uint64, c *Config, m *image, hwcap uint32) error {
	const (
		atPhdr, atPhent, atPhnum, atPageSize, atEntry = 3, 4, 5, 6, 9
		atHWCap, atClkTck, atSecure, atRandom, atExec = 16, 17, 23, 25, 31
	)
	var random [16]byte
	rand.Read(random[:])
	text := append(random[:], c.Args[0]+"\x00"...) // AT_EXECFN
	words := []uint64{uint64(len(c.Args))}
	for _, list := range [][]string{c.Args, c.Env} {
		for _, s := range list {
			words = append(words, uint64(len(text)))
			text = append(append(text, s...), 0)
		}
		words = append(words, 0)
	}
	base := (top - uint64(len(text))) &^ 15
	for i := range words[1:] {
		if words[i+1] != 0 { // not one of the terminators
			words[i+1] += base
		}
	}
	words = append(words,
		atPhdr, m.headers, atPhent, 56, atPhnum, m.nheaders,
		atPageSize, abi.PageSize, atEntry, m.entry, atHWCap, uint64(hwcap),
		atClkTck, 100, atSecure, 0, atRandom, base, atExec, base+uint64(len(random)),
		0, 0)
	l.stack = (base - uint64(len(words))*8) &^ 15
	if top-l.stack > stackSize/4 { // Linux's own limit for arguments and environment
		return fmt.Errorf("%w: arguments and environment take %d KiB, at most %d fit", ErrConfig, (top-l.stack)>>10, stackSize/4>>10)
	}
	b := make([]byte, base-l.stack, top-l.stack)
	for i, w := range words {
		binary.LittleEndian.PutUint64(b[i*8:], w)
	}
	return l.write(l.stack, append(b, text...))
}

// write copies b to guest memory.
func (l *layout) write(addr uint64, b []byte) error {
	pieces, err := l.Slices(nil, addr, uint64(len(b)), true)
	for _, p := range pieces {
		b = b[copy(p, b):]
	}
	return err
}

// configText renders Config.Settings for the guest.
func configText(settings map[string]string) (string, error) {
	var lines []string
	for k, v := range settings {
		if k == "" || strings.ContainsAny(k, "=\n\x00") || strings.ContainsAny(v, "\n\x00") {
			return "", fmt.Errorf("%w: setting %q=%q has a line break or a bad name", ErrConfig, k, v)
		}
		lines = append(lines, k+"="+v+"\n")
	}
	slices.Sort(lines)
	return strings.Join(lines, ""), nil
}

// builder places control pages one after the other; its first error stays.
type builder struct {
	s    *space.Space
	next uint64
	err  error
}

func (b *builder) control(n uintptr, prot int) (addr uint64, mem []byte) {
	addr = b.next
	if b.err == nil {
		mem, b.err = b.s.MapControl(addr, uint64(n), prot)
	}
	b.next += uint64(len(mem))
	return addr, mem
}

func (b *builder) device(gpa uint64) (addr uint64) {
	addr = b.next
	if b.err == nil {
		b.err = b.s.MapDevice(addr, gpa)
	}
	b.next += device.RegisterSize
	return addr
}
