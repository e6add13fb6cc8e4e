package kernel

import (
	"sync"
	"syscall"
)

// lockTable holds the locks of one kind, by inode: those of flock(2), or those of
// fcntl(2) (record.go). L is what is held of one inode; its zero value is nothing.
type lockTable[L interface{ none() bool }] struct {
	mu    sync.Mutex // guards all but the queues
	files map[Inode]*fileLocks[L]
}

// fileLocks are the locks of one inode. They stay in the table while any are held or
// waited for.
type fileLocks[L any] struct {
	held    L
	queue   Queue // EventIn when locks may be had that could not before
	waiting int
}

// take calls try, with t.mu held, until that has taken a lock; without wait, once. gives
// says that others may be able to take one now. It answers EAGAIN if the lock was not
// taken, EINTR if a signal came.
func (t *lockTable[L]) take(node Inode, wait bool, try func(*L) (ok, gives bool)) Errno {
	f := t.enter(node)
	defer t.leave(node, f)
	attempt := func() (int, Errno) {
		t.mu.Lock()
		ok, gives := try(&f.held)
		t.mu.Unlock()
		if gives {
			f.queue.Notify(EventIn)
		}
		if !ok {
			return 0, syscall.EAGAIN
		}
		return 0, 0
	}
	_, err := attempt()
	if err != 0 && wait {
		_, err = retry(&f.queue, EventIn, 0, attempt)
	}
	return err
}

// give calls drop, with t.mu held, to give up locks of node, if there are any.
func (t *lockTable[L]) give(node Inode, drop func(*L)) {
	t.mu.Lock()
	f := t.files[node]
	if f != nil {
		drop(&f.held)
		t.forget(node, f)
	}
	t.mu.Unlock()
	if f != nil {
		f.queue.Notify(EventIn)
	}
}

// enter returns the locks of node, which stay until leave.
func (t *lockTable[L]) enter(node Inode) *fileLocks[L] {
	t.mu.Lock()
	defer t.mu.Unlock()
	f := t.files[node]
	if f == nil {
		f = &fileLocks[L]{}
		if t.files == nil {
			t.files = map[Inode]*fileLocks[L]{}
		}
		t.files[node] = f
	}
	f.waiting++
	return f
}

func (t *lockTable[L]) leave(node Inode, f *fileLocks[L]) {
	t.mu.Lock()
	defer t.mu.Unlock()
	f.waiting--
	t.forget(node, f)
}

// forget takes locks out of the table that nobody holds or waits for. t.mu is held.
func (t *lockTable[L]) forget(node Inode, f *fileLocks[L]) {
	if f.waiting == 0 && f.held.none() {
		delete(t.files, node)
	}
}
