package dev

import (
	"syscall"

	"ringo.dev/ringo/kernel"
	"ringo.dev/ringo/rt"
)

// Kind is what programs take a standard descriptor for.
type Kind string

// The kinds, as the boot configuration names them. What is behind the machine's
// console in truth is a matter of those who started it.
const (
	Terminal Kind = "terminal"
	Device   Kind = "device" // a character device, but no terminal
	Pipe     Kind = "pipe"   // also for files: the console has no positions
)

// Console is the machine's console: standard input, output and error. Output
// goes to rt, input comes from a Port.
type Console struct {
	input           input
	inKind, outKind Kind
}

// NewConsole returns the console. in and out say what its input and its output
// are. open opens the port when a program first reads, or asks for the size of
// the terminal; it may return nil, then reading finds the end of the file.
func NewConsole(in, out Kind, open func() Port) *Console {
	c := &Console{inKind: in, outKind: out}
	c.input.open = open
	return c
}

// Open opens descriptors 0 to 2 of k, which has none yet.
func (c *Console) Open(k *kernel.Kernel) kernel.Errno {
	for fd, kind := range []Kind{c.inKind, c.outKind, c.outKind} {
		flags := syscall.O_RDWR
		switch {
		case kind == Pipe && fd == 0:
			flags = syscall.O_RDONLY
		case kind == Pipe:
			flags = syscall.O_WRONLY
		}
		if _, err := k.OpenFile(&stream{console: c, kind: kind, input: fd == 0}, flags); err != 0 {
			return err
		}
	}
	return 0
}

// terminal is /dev/console and /dev/tty, which may be opened any number of times.
func (c *Console) terminal() *stream {
	kind := Device
	if c.inKind == Terminal || c.outKind == Terminal {
		kind = Terminal
	}
	return &stream{console: c, kind: kind, input: true}
}

// stream is one of the console's descriptors.
type stream struct {
	console *Console
	kind    Kind
	input   bool // it is for input, too
}

var _ kernel.Reopener = (*stream)(nil)

// Read reads input.
func (s *stream) Read(p []byte) (int, kernel.Errno) { return s.console.input.Read(p) }

// Write writes to the console.
func (s *stream) Write(p []byte) (int, kernel.Errno) {
	rt.ConsoleWrite(p)
	return len(p), 0
}

// Ready reports what holds. It can always be written. To ask whether it can be
// read has input fetched, so that is left to the descriptors for that.
func (s *stream) Ready() kernel.Events {
	if !s.input {
		return kernel.EventOut
	}
	return kernel.EventOut | s.console.input.Ready()
}

// Queue is where to wait for input.
func (s *stream) Queue() *kernel.Queue { return &s.console.input.queue }

// Stat shows a character device or a pipe.
func (s *stream) Stat(st *syscall.Stat_t) kernel.Errno {
	st.Nlink = 1
	st.Blksize = 4096
	if s.kind == Pipe {
		st.Mode = syscall.S_IFIFO | 0o600
		st.Ino = 1
		if s.input {
			st.Ino = 2
		}
		return 0
	}
	st.Mode = syscall.S_IFCHR | 0o620
	st.Rdev = kernel.MakeDev(ttyMajor, conMinor)
	return 0
}

// SetAttr is refused: the console belongs to the machine.
func (s *stream) SetAttr(a *kernel.Attr) kernel.Errno { return syscall.EPERM }

// Reopen implements kernel.Reopener.
func (s *stream) Reopen(int) (kernel.File, kernel.Errno) { return s, 0 }

// Name is what /proc/self/fd shows.
func (s *stream) Name() string {
	if s.kind == Pipe {
		if s.input {
			return "pipe:[2]"
		}
		return "pipe:[1]"
	}
	return "/dev/console"
}

// Close does nothing: the console stays.
func (s *stream) Close() kernel.Errno { return 0 }

// termios is the kernel's structure (asm-generic/termbits.h), which is shorter
// than the C library's.
type termios struct {
	iflag, oflag, cflag, lflag uint32
	_                          uint8 // line discipline
	cc                         [19]uint8
}

// modes are those of a terminal that has not been told anything else.
var modes = termios{
	iflag: syscall.ICRNL | syscall.IXON,
	oflag: syscall.OPOST | syscall.ONLCR,
	cflag: syscall.CS8 | syscall.CREAD | syscall.B38400,
	lflag: syscall.ISIG | syscall.ICANON | syscall.ECHO | syscall.ECHOE | syscall.ECHOK | syscall.IEXTEN,
	cc: [19]uint8{
		syscall.VINTR: 'C' & 31, syscall.VQUIT: '\\' & 31, syscall.VERASE: 127, syscall.VKILL: 'U' & 31,
		syscall.VEOF: 'D' & 31, syscall.VMIN: 1, syscall.VSTART: 'Q' & 31, syscall.VSTOP: 'S' & 31, syscall.VSUSP: 'Z' & 31,
	},
}

// Requests that package syscall has no name for (asm-generic/ioctls.h).
const (
	tcsetsw = syscall.TCSETS + 1
	tcsetsf = syscall.TCSETS + 2
)

// Ioctl answers the questions that programs ask of terminals. The modes are the
// host's matter: a program cannot change them.
func (s *stream) Ioctl(request, arg uintptr) (uintptr, kernel.Errno) {
	if s.kind != Terminal {
		return 0, syscall.ENOTTY
	}
	switch request {
	case syscall.TCGETS:
		t, err := kernel.UserValue[termios](arg, true)
		if err == 0 {
			*t = modes
		}
		return 0, err
	case syscall.TCSETS, tcsetsw, tcsetsf:
		t, err := kernel.UserValue[termios](arg, false)
		if err == 0 && *t != modes {
			err = syscall.EOPNOTSUPP
		}
		return 0, err
	case syscall.TIOCGWINSZ:
		size, err := kernel.UserValue[[4]uint16](arg, true)
		if err == 0 {
			columns, rows := s.console.input.size()
			*size = [4]uint16{rows, columns}
		}
		return 0, err
	}
	return 0, syscall.ENOTTY
}
