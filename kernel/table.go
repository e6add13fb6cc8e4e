package kernel

import (
	"math/bits"
	"sync"
	"sync/atomic"
	"syscall"

	"ringo.dev/ringo/rt"
)

// maxFiles is the hard limit of RLIMIT_NOFILE.
const maxFiles = 1 << 20

// table maps descriptors to descriptions. Lookups take no lock: they read view,
// which is replaced when the table grows.
type table struct {
	view atomic.Pointer[[]atomic.Pointer[Description]]

	mu     sync.Mutex
	extras []extra  // as long as *view
	used   []uint64 // bitmap of the descriptors in use
	lowest int      // no word of used below this one has a zero bit
}

// extra is what belongs to a descriptor and not to its description.
type extra struct {
	cloexec bool
	poll    *pollWatch
}

// pollWatch tells the runtime's network poller about a file's events.
type pollWatch struct {
	waiter Waiter
	queue  *Queue
}

func (t *table) init() {
	view := make([]atomic.Pointer[Description], 64)
	t.view.Store(&view)
	t.extras = make([]extra, len(view))
	t.used = make([]uint64, len(view)/64)
}

// get returns the description of fd, or nil.
func (t *table) get(fd int) *Description {
	view := *t.view.Load()
	if uint(fd) >= uint(len(view)) {
		return nil
	}
	return view[fd].Load()
}

// grow makes room for fd. t.mu is held.
func (t *table) grow(fd int) {
	old := *t.view.Load()
	if fd < len(old) {
		return
	}
	n := len(old)
	for n <= fd {
		n *= 2
	}
	view := make([]atomic.Pointer[Description], n)
	for i := range old {
		view[i].Store(old[i].Load())
	}
	extras := make([]extra, n)
	copy(extras, t.extras)
	used := make([]uint64, n/64)
	copy(used, t.used)
	t.extras, t.used = extras, used
	t.view.Store(&view)
}

// free returns the lowest free descriptor that is at least min. t.mu is held.
func (t *table) free(min int) int {
	word := min / 64
	if word <= t.lowest {
		word = t.lowest
	}
	for ; word < len(t.used); word++ {
		avail := ^t.used[word]
		if word == min/64 {
			avail &= ^uint64(0) << (min % 64)
		}
		if avail != 0 {
			return word*64 + bits.TrailingZeros64(avail)
		}
		if word == t.lowest && ^t.used[word] == 0 {
			t.lowest++
		}
	}
	return max(min, len(t.used)*64)
}

// set stores d at fd and returns what was there. t.mu is held and there is room.
func (t *table) set(fd int, d *Description, cloexec bool) (old *Description) {
	t.unwatch(fd)
	t.used[fd/64] |= 1 << (fd % 64)
	t.extras[fd].cloexec = cloexec
	return (*t.view.Load())[fd].Swap(d)
}

// clear frees fd and returns what was there. t.mu is held.
func (t *table) clear(fd int) *Description {
	t.unwatch(fd)
	t.used[fd/64] &^= 1 << (fd % 64)
	t.extras[fd] = extra{}
	t.lowest = min(t.lowest, fd/64)
	return (*t.view.Load())[fd].Swap(nil)
}

// unwatch ends the reports to the runtime's poller. t.mu is held.
func (t *table) unwatch(fd int) {
	if w := t.extras[fd].poll; w != nil {
		w.queue.Remove(&w.waiter)
		t.extras[fd].poll = nil
	}
}

// file returns the description of fd, or EBADF. Descriptors that were opened
// with O_PATH count.
func (k *Kernel) file(fd int) (*Description, Errno) {
	d := k.files.get(fd)
	if d == nil {
		return nil, syscall.EBADF
	}
	return d, 0
}

// install stores d at the lowest free descriptor.
func (k *Kernel) install(d *Description, cloexec bool) (int, Errno) {
	k.files.mu.Lock()
	fd, err := k.installLocked(d, 0, cloexec)
	k.files.mu.Unlock()
	return fd, err
}

// installLocked stores d at the lowest free descriptor that is at least min.
// k.files.mu is held.
func (k *Kernel) installLocked(d *Description, min int, cloexec bool) (int, Errno) {
	t := &k.files
	fd := t.free(min)
	if fd >= k.limits.files() {
		return -1, syscall.EMFILE
	}
	t.grow(fd)
	d.refs.Add(1)
	t.set(fd, d, cloexec)
	return fd, 0
}

// hold returns the description of fd with one more reference.
func (k *Kernel) hold(fd int) (*Description, Errno) {
	k.files.mu.Lock()
	defer k.files.mu.Unlock()
	d := k.files.get(fd)
	if d == nil {
		return nil, syscall.EBADF
	}
	d.refs.Add(1)
	return d, 0
}

// OpenFile gives f a descriptor. flags are those of open(2): the access mode,
// O_NONBLOCK, O_CLOEXEC. If there is no room, f is closed.
func (k *Kernel) OpenFile(f File, flags int) (int, Errno) {
	fd, err := k.install(newDescription(f, flags), flags&syscall.O_CLOEXEC != 0)
	if err != 0 {
		f.Close()
	}
	return fd, err
}

// openPair is OpenFile for two files of which the program gets both or none.
func (k *Kernel) openPair(a, b File, flagsA, flagsB int) (fds [2]int, err Errno) {
	if fds[0], err = k.OpenFile(a, flagsA); err != 0 {
		b.Close()
		return fds, err
	}
	if fds[1], err = k.OpenFile(b, flagsB); err != 0 {
		k.Close(fds[0])
	}
	return fds, err
}

// Close is close(2).
func (k *Kernel) Close(fd int) Errno {
	t := &k.files
	t.mu.Lock()
	if t.get(fd) == nil {
		t.mu.Unlock()
		return syscall.EBADF
	}
	d := t.clear(fd)
	t.mu.Unlock()
	return k.release(d)
}

// CloseRange is close_range(2).
func (k *Kernel) CloseRange(first, last uint, flags int) Errno {
	const closeRangeUnshare, closeRangeCloexec = 2, 4
	if first > last || flags&^(closeRangeUnshare|closeRangeCloexec) != 0 {
		return syscall.EINVAL
	}
	t := &k.files
	for fd := first; fd <= last && fd < uint(len(*t.view.Load())); fd++ {
		if flags&closeRangeCloexec == 0 {
			k.Close(int(fd))
			continue
		}
		t.mu.Lock()
		if t.get(int(fd)) != nil {
			t.extras[fd].cloexec = true
		}
		t.mu.Unlock()
	}
	return 0
}

// Dup is dup(2).
func (k *Kernel) Dup(fd int) (int, Errno) { return k.dupAtLeast(fd, 0, false) }

func (k *Kernel) dupAtLeast(fd, min int, cloexec bool) (int, Errno) {
	if min < 0 || min >= k.limits.files() {
		return -1, syscall.EINVAL
	}
	k.files.mu.Lock()
	defer k.files.mu.Unlock()
	d := k.files.get(fd)
	if d == nil {
		return -1, syscall.EBADF
	}
	return k.installLocked(d, min, cloexec)
}

// Dup2 is dup2(2).
func (k *Kernel) Dup2(oldfd, newfd int) (int, Errno) {
	if oldfd == newfd {
		_, err := k.file(oldfd)
		return newfd, err
	}
	return k.Dup3(oldfd, newfd, 0)
}

// Dup3 is dup3(2).
func (k *Kernel) Dup3(oldfd, newfd, flags int) (int, Errno) {
	if oldfd == newfd || flags&^syscall.O_CLOEXEC != 0 {
		return -1, syscall.EINVAL
	}
	if newfd < 0 || newfd >= k.limits.files() {
		return -1, syscall.EBADF
	}
	t := &k.files
	t.mu.Lock()
	d := t.get(oldfd)
	if d == nil {
		t.mu.Unlock()
		return -1, syscall.EBADF
	}
	t.grow(newfd)
	d.refs.Add(1)
	old := t.set(newfd, d, flags&syscall.O_CLOEXEC != 0)
	t.mu.Unlock()
	if old != nil {
		k.release(old)
	}
	return newfd, 0
}

// Fcntl is fcntl(2) but for the record locks, whose argument is a structure
// (see RecordLock).
func (k *Kernel) Fcntl(fd, cmd, arg int) (int, Errno) {
	d, err := k.file(fd)
	if err != 0 {
		return -1, err
	}
	switch cmd {
	case syscall.F_DUPFD, fDupFDCloexec:
		return k.dupAtLeast(fd, arg, cmd == fDupFDCloexec)
	case syscall.F_GETFD, syscall.F_SETFD:
		t := &k.files
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.get(fd) == nil {
			return -1, syscall.EBADF
		}
		if cmd == syscall.F_SETFD {
			t.extras[fd].cloexec = arg&syscall.FD_CLOEXEC != 0
			return 0, 0
		}
		if t.extras[fd].cloexec {
			return syscall.FD_CLOEXEC, 0
		}
		return 0, 0
	case syscall.F_GETFL:
		return d.Flags() | oLargeFile, 0
	case syscall.F_SETFL:
		d.setFlags(arg)
		return 0, 0
	case fSetOwn, fGetOwn:
		return 0, 0 // SIGIO is never sent
	case fSetPipeSize, fGetPipeSize:
		p, ok := d.File.(pipeEnd)
		if !ok {
			return -1, syscall.EBADF
		}
		if cmd == fSetPipeSize {
			return p.ring().resize(arg)
		}
		return p.ring().capacity(), 0
	}
	return -1, syscall.EINVAL
}

// EachDescriptor calls f for every open descriptor in ascending order.
func (k *Kernel) EachDescriptor(f func(fd int, d *Description)) {
	view := *k.files.view.Load()
	for fd := range view {
		if d := view[fd].Load(); d != nil {
			f(fd, d)
		}
	}
}

// EachSocket calls f for every socket that the program has a descriptor of.
func EachSocket(f func(Socket)) {
	if k := current.Load(); k != nil {
		k.EachSocket(f)
	}
}

// EachSocket calls f for every socket that the program has a descriptor of, once.
func (k *Kernel) EachSocket(f func(Socket)) {
	seen := map[Socket]bool{}
	k.EachDescriptor(func(_ int, d *Description) {
		if s, ok := d.File.(Socket); ok && !seen[s] {
			seen[s] = true
			f(s)
		}
	})
}

// TableSize returns the number of descriptors for which there is room at present.
func (k *Kernel) TableSize() int { return len(*k.files.view.Load()) }

// Descriptor returns the description of fd, or nil.
func (k *Kernel) Descriptor(fd int) *Description { return k.files.get(fd) }

// PollOpen starts reporting the events of fd to the runtime's poller, edge
// triggered, beginning with those that hold now. See rt.Kernel.
func (k *Kernel) PollOpen(fd int, pd rt.PollDesc) uintptr {
	t := &k.files
	t.mu.Lock()
	d := t.get(fd)
	if d == nil {
		t.mu.Unlock()
		return uintptr(syscall.EBADF)
	}
	q := d.File.Queue()
	if q == nil {
		t.mu.Unlock()
		return uintptr(syscall.EPERM)
	}
	if t.extras[fd].poll != nil {
		t.mu.Unlock()
		return uintptr(syscall.EEXIST)
	}
	w := &pollWatch{queue: q}
	w.waiter.Mask = EventIn | EventOut | EventRdHup
	w.waiter.Notify = func(e Events) { reportReady(pd, e) }
	t.extras[fd].poll = w
	q.Add(&w.waiter)
	t.mu.Unlock()
	reportReady(pd, d.File.Ready())
	return 0
}

// PollClose ends what PollOpen began.
func (k *Kernel) PollClose(fd int) uintptr {
	t := &k.files
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.get(fd) == nil || t.extras[fd].poll == nil {
		return uintptr(syscall.ENOENT)
	}
	t.unwatch(fd)
	return 0
}

// reportReady translates events as the runtime's own poller does.
func reportReady(pd rt.PollDesc, e Events) {
	var mode int32
	if e&(EventIn|EventRdHup|EventHup|EventErr) != 0 {
		mode += rt.PollRead
	}
	if e&(EventOut|EventHup|EventErr) != 0 {
		mode += rt.PollWrite
	}
	if mode != 0 {
		rt.PollReady(pd, mode)
	}
}
