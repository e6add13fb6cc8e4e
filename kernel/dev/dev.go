// Package dev holds the character devices of /dev: null, zero, full, random,
// urandom and the console (console.go).
package dev

import (
	"syscall"

	"ringo.dev/ringo/kernel"
	"ringo.dev/ringo/kernel/tmpfs"
	"ringo.dev/ringo/rt"
)

// Device numbers (Linux, Documentation/admin-guide/devices.txt).
const (
	memMajor  = 1
	ttyMajor  = 5
	ttyMinor  = 0
	conMinor  = 1
	nullMinor = 3
	zeroMinor = 5
	fullMinor = 7
	randMinor = 8
	urndMinor = 9
)

// Register tells k how the devices are opened; console is what /dev/console
// and /dev/tty are.
func Register(k *kernel.Kernel, console *Console) {
	k.SetDevices(func(rdev uint64) (kernel.File, kernel.Errno) {
		switch rdev {
		case kernel.MakeDev(memMajor, nullMinor):
			return null{}, 0
		case kernel.MakeDev(memMajor, zeroMinor):
			return zero{}, 0
		case kernel.MakeDev(memMajor, fullMinor):
			return full{}, 0
		case kernel.MakeDev(memMajor, randMinor), kernel.MakeDev(memMajor, urndMinor):
			return random{}, 0
		case kernel.MakeDev(ttyMajor, ttyMinor), kernel.MakeDev(ttyMajor, conMinor):
			return console.terminal(), 0
		}
		return nil, syscall.ENXIO
	})
}

// Fill makes the nodes and links of /dev in a directory.
func Fill(d *tmpfs.Dir) {
	for _, n := range []struct {
		name         string
		major, minor uint64
	}{
		{"null", memMajor, nullMinor},
		{"zero", memMajor, zeroMinor},
		{"full", memMajor, fullMinor},
		{"random", memMajor, randMinor},
		{"urandom", memMajor, urndMinor},
		{"tty", ttyMajor, ttyMinor},
		{"console", ttyMajor, conMinor},
	} {
		mode := uint32(0o666)
		if n.name == "console" {
			mode = 0o600
		}
		d.AddDevice(n.name, syscall.S_IFCHR|mode, kernel.MakeDev(n.major, n.minor))
	}
	d.AddLink("fd", "/proc/self/fd")
	d.AddLink("stdin", "/proc/self/fd/0")
	d.AddLink("stdout", "/proc/self/fd/1")
	d.AddLink("stderr", "/proc/self/fd/2")
	d.AddDir("shm", 0o1777)
}

// memory is what the devices of major number 1 have in common. They are always
// ready and have a position that does not matter.
type memory struct{}

func (memory) Ready() kernel.Events                               { return kernel.EventIn | kernel.EventOut }
func (memory) Queue() *kernel.Queue                               { return nil }
func (memory) Stat(st *syscall.Stat_t) kernel.Errno               { return 0 } // the node's
func (memory) Close() kernel.Errno                                { return 0 }
func (memory) SeekTo(off int64, whence int) (int64, kernel.Errno) { return 0, 0 }
func (memory) Write(p []byte) (int, kernel.Errno)                 { return len(p), 0 }
func (m memory) WriteAt(p []byte, off int64) (int, kernel.Errno)  { return m.Write(p) }

type null struct{ memory }

func (null) Read(p []byte) (int, kernel.Errno)              { return 0, 0 }
func (null) ReadAt(p []byte, off int64) (int, kernel.Errno) { return 0, 0 }

type zero struct{ memory }

func (zero) Read(p []byte) (int, kernel.Errno) {
	clear(p)
	return len(p), 0
}
func (z zero) ReadAt(p []byte, off int64) (int, kernel.Errno) { return z.Read(p) }

type full struct{ zero }

func (full) Write(p []byte) (int, kernel.Errno)              { return 0, syscall.ENOSPC }
func (full) WriteAt(p []byte, off int64) (int, kernel.Errno) { return 0, syscall.ENOSPC }

// random is /dev/random and /dev/urandom: rt's generator, which is seeded
// before the kernel starts. What is written to it is mixed in.
type random struct{ memory }

func (random) Read(p []byte) (int, kernel.Errno) {
	rt.Random(p)
	return len(p), 0
}
func (r random) ReadAt(p []byte, off int64) (int, kernel.Errno) { return r.Read(p) }

func (random) Write(p []byte) (int, kernel.Errno) {
	rt.AddEntropy(p)
	return len(p), 0
}
