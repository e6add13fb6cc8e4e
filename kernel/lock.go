package kernel

import (
	"sync"
	"syscall"
)

// lockTable holds the locks of flock(2): an inode is locked by descriptions. Those
// of fcntl(2) are in record.go.
type lockTable struct {
	mu    sync.Mutex
	locks map[Inode]*fileLock
}

// fileLock is the state of one inode's lock: some holders that share it, or
// one that has it alone.
type fileLock struct {
	holders   map[*Description]struct{}
	exclusive bool
	queue     Queue // EventIn when the lock may be had
	waiting   int
}

// Flock is flock(2).
func (k *Kernel) Flock(fd, how int) Errno {
	d, err := k.file(fd)
	if err != 0 {
		return err
	}
	node := d.origin.Node
	if node == nil || d.Flags()&oPath != 0 {
		return syscall.EBADF
	}
	switch how &^ syscall.LOCK_NB {
	case syscall.LOCK_UN:
		k.locks.release(d)
		return 0
	case syscall.LOCK_SH, syscall.LOCK_EX:
	default:
		return syscall.EINVAL
	}
	exclusive := how&syscall.LOCK_EX != 0
	l := k.locks.enter(node)
	defer k.locks.leave(node, l)
	if k.locks.try(l, d, exclusive) {
		return 0
	}
	if how&syscall.LOCK_NB != 0 {
		return syscall.EWOULDBLOCK
	}
	_, err = retry(&l.queue, EventIn, 0, func() (int, Errno) {
		if k.locks.try(l, d, exclusive) {
			return 0, 0
		}
		return 0, syscall.EAGAIN
	})
	return err
}

// enter returns the lock of node, which stays until leave.
func (t *lockTable) enter(node Inode) *fileLock {
	t.mu.Lock()
	defer t.mu.Unlock()
	l := t.locks[node]
	if l == nil {
		l = &fileLock{holders: map[*Description]struct{}{}}
		if t.locks == nil {
			t.locks = map[Inode]*fileLock{}
		}
		t.locks[node] = l
	}
	l.waiting++
	return l
}

func (t *lockTable) leave(node Inode, l *fileLock) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if l.waiting--; l.waiting == 0 && len(l.holders) == 0 {
		delete(t.locks, node)
	}
}

// try takes the lock for d if nobody is in the way. A lock that d has already
// is converted.
func (t *lockTable) try(l *fileLock, d *Description, exclusive bool) bool {
	t.mu.Lock()
	_, holds := l.holders[d]
	others := len(l.holders)
	if holds {
		others--
	}
	if others > 0 && (exclusive || l.exclusive) {
		t.mu.Unlock()
		return false
	}
	weaker := holds && l.exclusive && !exclusive
	l.holders[d] = struct{}{}
	l.exclusive = exclusive
	t.mu.Unlock()
	if weaker {
		l.queue.Notify(EventIn)
	}
	return true
}

// release gives up the lock of d, if it has one.
func (t *lockTable) release(d *Description) {
	node := d.origin.Node
	if node == nil {
		return
	}
	t.mu.Lock()
	l := t.locks[node]
	if l == nil {
		t.mu.Unlock()
		return
	}
	delete(l.holders, d)
	if len(l.holders) == 0 {
		l.exclusive = false
		if l.waiting == 0 {
			delete(t.locks, node)
		}
	}
	t.mu.Unlock()
	l.queue.Notify(EventIn)
}
