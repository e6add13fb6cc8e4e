package kernel

import "syscall"

// Errno is a Linux error number; 0 means success. Kernel code returns it by
// value so that the hot path allocates nothing.
type Errno = syscall.Errno

// Events is a set of poll events, with Linux's values (poll(2), epoll(7)).
type Events uint32

const (
	EventIn    Events = 0x1
	EventPri   Events = 0x2
	EventOut   Events = 0x4
	EventErr   Events = 0x8
	EventHup   Events = 0x10
	EventRdHup Events = 0x2000
)

// File is an open file description: what a descriptor refers to. Its methods
// may be called from several goroutines. None of them blocks for readiness:
// they answer EAGAIN, and the caller waits through Queue (see Wait) if the
// descriptor is a blocking one.
type File interface {
	// Read and Write transfer at the file's own position, if it has one.
	Read(p []byte) (int, Errno)
	Write(p []byte) (int, Errno)
	// Ready returns the events that hold now.
	Ready() Events
	// Queue returns where to wait for readiness, or nil for a file that is
	// always ready, as regular files are (they cannot be added to an epoll set).
	Queue() *Queue
	// Stat fills st.
	Stat(st *syscall.Stat_t) Errno
	// Close is called once, when the last descriptor is gone. Other calls may
	// still be under way then, or even come later: they must not fail worse
	// than with an error.
	Close() Errno
}

// The abilities that only some files have. A call that needs a missing one
// answers as Linux does for such a file (ESPIPE, EINVAL, ENOTTY).

// ReaderAt and WriterAt are implemented by files that have positions (pread(2)).
type ReaderAt interface {
	ReadAt(p []byte, off int64) (int, Errno)
}

// WriterAt is the counterpart of ReaderAt.
type WriterAt interface {
	WriteAt(p []byte, off int64) (int, Errno)
}

// Seeker is implemented by files whose own position can be set (lseek(2)).
type Seeker interface {
	SeekTo(off int64, whence int) (int64, Errno)
}

// Truncater is implemented by files whose length can be set (ftruncate(2)).
type Truncater interface {
	Truncate(size int64) Errno
}

// Allocater is implemented by files that can reserve or punch space; mode is
// that of fallocate(2).
type Allocater interface {
	Allocate(mode int, off, n int64) Errno
}

// Syncer is implemented by files that may hold data which is not yet durable.
type Syncer interface {
	Sync() Errno
}

// FlagSetter is implemented by files to which O_APPEND matters. They are told
// of the status flags at each F_SETFL.
type FlagSetter interface {
	SetFlags(flags int)
}

// Ioctler answers ioctl(2). arg is the raw argument: a number, or the address
// of memory to be reached through User.
type Ioctler interface {
	Ioctl(request, arg uintptr) (uintptr, Errno)
}

// Message is what sendmsg and recvmsg transfer. Data is filled or sent in order.
// Name and Control are the caller's buffers in Linux's layout; on receive the
// socket sets NameLen, ControlLen and Flags to what it stored.
type Message struct {
	Data       [][]byte
	Name       []byte
	NameLen    int
	Control    []byte
	ControlLen int
	Flags      int
}

// Socket is a File made by socket(2). Addresses are sockaddrs in Linux's
// layout. Results that do not fit are truncated as Linux does.
type Socket interface {
	File
	Bind(addr []byte) Errno
	Listen(backlog int) Errno
	// Accept returns the next connection and its peer's address, or EAGAIN.
	Accept() (s Socket, peer []byte, err Errno)
	// Connect starts connecting: EINPROGRESS until EventOut, then 0 or the error.
	Connect(addr []byte) Errno
	Shutdown(how int) Errno
	LocalAddr() ([]byte, Errno)
	PeerAddr() ([]byte, Errno)
	// Send and Receive transfer one message; flags are MSG_*.
	Send(m *Message, flags int) (int, Errno)
	Receive(m *Message, flags int) (int, Errno)
	// Quiet says by few instructions that Receive would return EAGAIN, as it does for
	// a program that tries for a next message before it waits. It may be false
	// nevertheless.
	Quiet() bool
	SetOption(level, name int, value []byte) Errno
	// Option stores the value in buf and returns its length.
	Option(level, name int, buf []byte) (int, Errno)
	// Ioctl answers SIOC* requests and FIONREAD; arg is the raw argument.
	Ioctl(request, arg uintptr) (uintptr, Errno)
}

// SocketFamily makes sockets of one address family. typ is without
// SOCK_NONBLOCK and SOCK_CLOEXEC.
type SocketFamily func(typ, protocol int) (Socket, Errno)
