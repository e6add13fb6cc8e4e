package kernel

import (
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Description is an open file description: a File, the status flags that its
// descriptors share, and what the kernel remembers about it.
type Description struct {
	File File

	// origin is what was opened, for fstat's device number, fchdir and
	// /proc/self/fd. Its node is nil for files without a file system.
	origin origin

	flags atomic.Int32 // access mode and O_APPEND, O_NONBLOCK …
	refs  atomic.Int32 // descriptors

	// Timeouts of blocking transfers in nanoseconds, 0 for none (SO_RCVTIMEO).
	readTimeout, writeTimeout atomic.Int64

	mu    sync.Mutex
	items []*epollItem // the epoll sets' interests in this description
}

// origin is a location and the name by which it was reached. dir is the
// directory that held name. In descriptions it is not set for directories.
type origin struct {
	Location
	dir  Location
	name string
}

// settableFlags are those that F_SETFL changes.
const settableFlags = syscall.O_APPEND | syscall.O_NONBLOCK | syscall.O_ASYNC | syscall.O_DIRECT | syscall.O_NOATIME

func newDescription(f File, flags int) *Description {
	d := &Description{File: f}
	d.flags.Store(int32(flags &^ (syscall.O_CREAT | syscall.O_EXCL | syscall.O_TRUNC | syscall.O_NOCTTY | syscall.O_CLOEXEC)))
	return d
}

// Flags returns the access mode and status flags.
func (d *Description) Flags() int { return int(d.flags.Load()) }

func (d *Description) setFlags(flags int) {
	for {
		old := d.flags.Load()
		new := old&^settableFlags | int32(flags)&settableFlags
		if d.flags.CompareAndSwap(old, new) {
			break
		}
	}
	if s, ok := d.File.(FlagSetter); ok {
		s.SetFlags(d.Flags())
	}
}

func (d *Description) blocking() bool { return d.flags.Load()&syscall.O_NONBLOCK == 0 }

func (d *Description) readable() bool {
	flags := d.flags.Load()
	return flags&oPath == 0 && flags&oAccMode != syscall.O_WRONLY
}

func (d *Description) writable() bool {
	flags := d.flags.Load()
	return flags&oPath == 0 && flags&oAccMode != syscall.O_RDONLY
}

// release gives up one descriptor's reference.
func (k *Kernel) release(d *Description) Errno {
	last := d.refs.Add(-1) <= 0
	k.records.closed(d, last)
	if !last {
		return 0
	}
	d.mu.Lock()
	items := d.items
	d.items = nil
	d.mu.Unlock()
	for _, it := range items {
		it.set.drop(it)
	}
	k.dropFlock(d)
	switch {
	case d.writable():
		k.tellFile(d, syscall.IN_CLOSE_WRITE)
	case d.readable():
		k.tellFile(d, syscall.IN_CLOSE_NOWRITE)
	}
	return d.File.Close()
}

// read reads into p, and waits for something to read if it is blocking.
func (d *Description) read(p []byte) (int, Errno) {
	if !d.readable() {
		return 0, syscall.EBADF
	}
	n, err := d.File.Read(p)
	if err == syscall.EAGAIN && d.blocking() {
		return retry(d.File.Queue(), EventIn|EventRdHup, time.Duration(d.readTimeout.Load()), func() (int, Errno) {
			return d.File.Read(p)
		})
	}
	return n, err
}

// write writes p. A blocking description takes all of it, as Linux does.
func (d *Description) write(p []byte) (int, Errno) {
	if !d.writable() {
		return 0, syscall.EBADF
	}
	n, err := d.File.Write(p)
	if n == len(p) || err != 0 && err != syscall.EAGAIN || !d.blocking() {
		return n, err
	}
	q := d.File.Queue()
	if q == nil {
		return n, err
	}
	n = max(n, 0)
	_, err = retry(q, EventOut, time.Duration(d.writeTimeout.Load()), func() (int, Errno) {
		for n < len(p) {
			m, err := d.File.Write(p[n:])
			if err != 0 {
				return 0, err
			}
			n += m
		}
		return n, 0
	})
	if n > 0 {
		err = 0 // what was written counts; the error comes with the next call
	}
	return n, err
}

// timeoutOf returns the timeout that SO_RCVTIMEO or SO_SNDTIMEO names.
func (d *Description) timeoutOf(option int) *atomic.Int64 {
	if option == syscall.SO_RCVTIMEO {
		return &d.readTimeout
	}
	return &d.writeTimeout
}

// stat is fstat(2).
func (d *Description) stat(st *syscall.Stat_t) Errno {
	*st = syscall.Stat_t{}
	err := d.File.Stat(st)
	if d.origin.Mount != nil {
		st.Dev = d.origin.Mount.dev
	}
	return err
}
