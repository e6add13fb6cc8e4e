// Package dev holds the character devices of /dev: null, zero, full, random,
// urandom and the console.
package dev

import (
	"sync"
	"syscall"

	"ringo.dev/ringo/kernel"
	"ringo.dev/ringo/kernel/tmpfs"
	"ringo.dev/ringo/rt"
)

// Device numbers (Linux, Documentation/admin-guide/devices.txt).
const (
	memMajor  = 1
	ttyMajor  = 5
	nullMinor = 3
	zeroMinor = 5
	fullMinor = 7
	randMinor = 8
	urndMinor = 9
)

// Register tells k how the devices are opened; console is what /dev/console
// and /dev/tty are.
func Register(k *kernel.Kernel, console *Console) {
	for minor, f := range map[uint64]kernel.File{
		nullMinor: null{},
		zeroMinor: zero{},
		fullMinor: full{},
		randMinor: random{},
		urndMinor: random{},
	} {
		k.RegisterDevice(kernel.MakeDev(memMajor, minor), func(int) (kernel.File, kernel.Errno) { return f, 0 })
	}
	open := func(int) (kernel.File, kernel.Errno) { return console, 0 }
	k.RegisterDevice(kernel.MakeDev(ttyMajor, 0), open)
	k.RegisterDevice(kernel.MakeDev(ttyMajor, 1), open)
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
		{"tty", ttyMajor, 0},
		{"console", ttyMajor, 1},
	} {
		mode := uint32(0o666)
		if n.name == "console" {
			mode = 0o600
		}
		d.AddDevice(n.name, mode, kernel.MakeDev(n.major, n.minor))
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

// Input is where the console's input comes from.
type Input interface {
	// Read answers EAGAIN while there is nothing, and 0 bytes at the end.
	Read(p []byte) (int, kernel.Errno)
	// Ready reports EventIn if Read would not answer EAGAIN.
	Ready() kernel.Events
}

// Console is the machine's console: standard input, output and error. It may
// be opened any number of times.
type Console struct {
	terminal bool // whether it shall look like a terminal to the program
	queue    kernel.Queue

	mu    sync.Mutex
	input Input
}

// NewConsole returns the console. Without an input, reading finds the end of
// the file. terminal says whether programs shall take it for a terminal.
func NewConsole(terminal bool) *Console { return &Console{terminal: terminal} }

// SetInput connects an input. Its driver calls Notify when input arrives.
func (c *Console) SetInput(in Input) {
	c.mu.Lock()
	c.input = in
	c.mu.Unlock()
	c.Notify()
}

// Notify tells those who wait for input to look.
func (c *Console) Notify() { c.queue.Notify(kernel.EventIn) }

func (c *Console) source() Input {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.input
}

// Read reads input.
func (c *Console) Read(p []byte) (int, kernel.Errno) {
	if in := c.source(); in != nil {
		return in.Read(p)
	}
	return 0, 0
}

// Write writes to the console.
func (c *Console) Write(p []byte) (int, kernel.Errno) {
	rt.ConsoleWrite(p)
	return len(p), 0
}

// Ready reports what holds: it can always be written, and read at the end.
func (c *Console) Ready() kernel.Events {
	e := kernel.EventOut
	if in := c.source(); in != nil {
		return e | in.Ready()
	}
	return e | kernel.EventIn
}

// Queue is where to wait for input.
func (c *Console) Queue() *kernel.Queue { return &c.queue }

// Stat shows a character device.
func (c *Console) Stat(st *syscall.Stat_t) kernel.Errno {
	st.Mode = syscall.S_IFCHR | 0o620
	st.Nlink = 1
	st.Rdev = kernel.MakeDev(ttyMajor, 1)
	st.Blksize = 1024
	return 0
}

// SetAttr is refused: the console belongs to the machine.
func (c *Console) SetAttr(a *kernel.Attr) kernel.Errno { return syscall.EPERM }

// Name is what /proc/self/fd shows.
func (c *Console) Name() string { return "/dev/console" }

// Close does nothing: the console stays.
func (c *Console) Close() kernel.Errno { return 0 }

// Ioctl answers the questions that programs ask of terminals. What they set is
// accepted and has no effect, since nothing of a terminal is emulated here.
func (c *Console) Ioctl(request, arg uintptr) (uintptr, kernel.Errno) {
	if !c.terminal {
		return 0, syscall.ENOTTY
	}
	switch request {
	case syscall.TCGETS:
		t, err := kernel.UserValue[syscall.Termios](arg, true)
		if err == 0 {
			*t = syscall.Termios{
				Iflag: syscall.ICRNL | syscall.IXON,
				Oflag: syscall.OPOST | syscall.ONLCR,
				Cflag: syscall.CS8 | syscall.CREAD,
				Lflag: syscall.ISIG | syscall.ICANON | syscall.ECHO,
			}
		}
		return 0, err
	case syscall.TCSETS, syscall.TCSETS + 1, syscall.TCSETS + 2:
		return 0, 0
	case syscall.TIOCGWINSZ:
		size, err := kernel.UserValue[[4]uint16](arg, true)
		if err == 0 {
			*size = [4]uint16{25, 80}
		}
		return 0, err
	}
	return 0, syscall.ENOTTY
}
