package kernel

import (
	"sync"
	"syscall"
)

const (
	efdSemaphore = 1
	eventfdMost  = ^uint64(0) - 1
)

// eventFD is a counter (eventfd(2)).
type eventFD struct {
	semaphore bool
	queue     Queue

	mu    sync.Mutex
	count uint64
}

// EventFD is eventfd2(2).
func (k *Kernel) EventFD(initial uint32, flags int) (int, Errno) {
	if flags&^(efdSemaphore|syscall.O_CLOEXEC|syscall.O_NONBLOCK) != 0 {
		return -1, syscall.EINVAL
	}
	e := &eventFD{semaphore: flags&efdSemaphore != 0, count: uint64(initial)}
	return k.OpenFile(e, syscall.O_RDWR|flags&^efdSemaphore)
}

func (e *eventFD) Read(p []byte) (int, Errno) {
	if len(p) < 8 {
		return 0, syscall.EINVAL
	}
	e.mu.Lock()
	n := e.count
	if n == 0 {
		e.mu.Unlock()
		return 0, syscall.EAGAIN
	}
	if e.semaphore {
		n = 1
	}
	e.count -= n
	e.mu.Unlock()
	put64(p, n)
	e.queue.Notify(EventOut)
	return 8, 0
}

func (e *eventFD) Write(p []byte) (int, Errno) {
	if len(p) < 8 {
		return 0, syscall.EINVAL
	}
	n := get64(p)
	if n > eventfdMost {
		return 0, syscall.EINVAL
	}
	e.mu.Lock()
	if n > eventfdMost-e.count {
		e.mu.Unlock()
		return 0, syscall.EAGAIN
	}
	e.count += n
	e.mu.Unlock()
	if n > 0 {
		e.queue.Notify(EventIn)
	}
	return 8, 0
}

func (e *eventFD) Ready() (ev Events) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.count > 0 {
		ev |= EventIn
	}
	if e.count < eventfdMost {
		ev |= EventOut
	}
	return ev
}

func (e *eventFD) Queue() *Queue { return &e.queue }
func (e *eventFD) Name() string  { return "anon_inode:[eventfd]" }
func (e *eventFD) Close() Errno  { return 0 }

func (e *eventFD) Stat(st *syscall.Stat_t) Errno { return statAnon(st) }

// statAnon describes a file that is nothing but a descriptor.
func statAnon(st *syscall.Stat_t) Errno {
	st.Mode = 0o600
	st.Nlink = 1
	st.Blksize = 4096
	return 0
}
