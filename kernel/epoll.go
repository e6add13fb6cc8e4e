package kernel

import (
	"sync"
	"syscall"
	"time"
)

// Flags of an epoll interest, beside its events.
const (
	epollExclusive = 1 << 28
	epollWakeup    = 1 << 29
	epollOneShot   = 1 << 30
	epollET        = 1 << 31
	epollFlags     = epollExclusive | epollWakeup | epollOneShot | epollET

	epollDepth = 5 // how deep sets may be nested
)

// EpollEvent is struct epoll_event.
type EpollEvent = syscall.EpollEvent

// epollSet is what epoll_create makes.
type epollSet struct {
	queue Queue // of those who wait for the set

	// collect orders the collectors: while one of them has taken items off
	// ready to look at them, another must not find the list empty.
	collect sync.Mutex

	// mu is taken by Waiter.Notify, hence with a file's locks held: no method
	// of a File and no Queue's may be called under it.
	mu     sync.Mutex
	items  map[epollKey]*epollItem
	ready  []*epollItem
	closed bool
}

// epollKey names an interest. The descriptor takes part, since one description
// may be added once for each of its descriptors.
type epollKey struct {
	fd int
	d  *Description
}

// epollItem is an interest in a description.
type epollItem struct {
	epollKey
	set    *epollSet
	waiter Waiter

	// Guarded by set.mu.
	events uint32 // what is asked for, with flags; 0 once EPOLLONESHOT fired
	data   [2]int32
	queued bool // in set.ready
	gone   bool
}

// EpollCreate is epoll_create1(2).
func (k *Kernel) EpollCreate(flags int) (int, Errno) {
	if flags&^syscall.O_CLOEXEC != 0 {
		return -1, syscall.EINVAL
	}
	return k.OpenFile(&epollSet{items: map[epollKey]*epollItem{}}, syscall.O_RDWR|flags)
}

func (s *epollSet) Read(p []byte) (int, Errno)  { return 0, syscall.EINVAL }
func (s *epollSet) Write(p []byte) (int, Errno) { return 0, syscall.EINVAL }
func (s *epollSet) Queue() *Queue               { return &s.queue }
func (s *epollSet) Name() string                { return "anon_inode:[eventpoll]" }

func (s *epollSet) Stat(st *syscall.Stat_t) Errno { return statAnon(st) }

// Ready reports EventIn if some interest holds. It looks at the files, since
// what was queued may no longer hold.
func (s *epollSet) Ready() Events {
	s.mu.Lock()
	items := append([]*epollItem(nil), s.ready...)
	s.mu.Unlock()
	for _, it := range items {
		if it.holds() != 0 {
			return EventIn
		}
	}
	return 0
}

func (s *epollSet) Close() Errno {
	s.mu.Lock()
	items := s.items
	s.items, s.ready, s.closed = nil, nil, true
	for _, it := range items {
		it.gone = true
	}
	s.mu.Unlock()
	for _, it := range items {
		it.detach()
	}
	return 0
}

// holds returns the events of the interest that hold now.
func (it *epollItem) holds() Events {
	e := it.d.File.Ready()
	it.set.mu.Lock()
	defer it.set.mu.Unlock()
	if it.gone || it.events&^epollFlags == 0 {
		return 0
	}
	return e & (Events(it.events&^epollFlags) | EventErr | EventHup)
}

// notify is called by the file's queue.
func (it *epollItem) notify(e Events) {
	s := it.set
	s.mu.Lock()
	fresh := false
	if !it.gone && it.events&^epollFlags != 0 && e&(Events(it.events)|EventErr|EventHup) != 0 && !it.queued {
		it.queued, fresh = true, true
		s.ready = append(s.ready, it)
	}
	s.mu.Unlock()
	if fresh {
		s.queue.Notify(EventIn)
	}
}

// detach ends the file's reports and the description's knowledge of the item.
func (it *epollItem) detach() {
	if q := it.d.File.Queue(); q != nil {
		q.Remove(&it.waiter)
	}
	d := it.d
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, other := range d.items {
		if other == it {
			d.items[i] = d.items[len(d.items)-1]
			d.items = d.items[:len(d.items)-1]
			break
		}
	}
}

// drop removes an interest whose description is closed or that is not wanted.
func (s *epollSet) drop(it *epollItem) {
	s.mu.Lock()
	if !it.gone {
		it.gone = true
		delete(s.items, it.epollKey)
	}
	s.mu.Unlock()
	it.detach()
}

func (k *Kernel) epoll(fd int) (*Description, *epollSet, Errno) {
	d, err := k.file(fd)
	if err != 0 {
		return nil, nil, err
	}
	s, ok := d.File.(*epollSet)
	if !ok {
		return nil, nil, syscall.EINVAL
	}
	return d, s, 0
}

// epollNesting is held while one set is added to another, so that two such
// additions cannot close a circle together.
var epollNesting sync.Mutex

// EpollCtl is epoll_ctl(2). ev is not used by EPOLL_CTL_DEL.
func (k *Kernel) EpollCtl(epfd, op, fd int, ev *EpollEvent) Errno {
	ed, s, err := k.epoll(epfd)
	if err != 0 {
		return err
	}
	d, err := k.file(fd)
	switch {
	case err != 0:
		return err
	case d == ed:
		return syscall.EINVAL
	case d.File.Queue() == nil:
		return syscall.EPERM
	}
	key := epollKey{fd, d}
	switch op {
	case syscall.EPOLL_CTL_ADD:
		if inner, ok := d.File.(*epollSet); ok {
			epollNesting.Lock()
			defer epollNesting.Unlock()
			if ev.Events&epollExclusive != 0 {
				return syscall.EINVAL
			}
			if inner.depth(s, 2) > epollDepth {
				return syscall.ELOOP
			}
		}
		return s.add(key, ev)
	case syscall.EPOLL_CTL_MOD:
		return s.modify(key, ev)
	case syscall.EPOLL_CTL_DEL:
		s.mu.Lock()
		it := s.items[key]
		s.mu.Unlock()
		if it == nil {
			return syscall.ENOENT
		}
		s.drop(it)
		return 0
	}
	return syscall.EINVAL
}

// depth returns the level of the deepest set below s, which is on the given
// level itself, or more than is allowed if avoid is among them.
func (s *epollSet) depth(avoid *epollSet, level int) int {
	if s == avoid || level > epollDepth {
		return epollDepth + 1
	}
	s.mu.Lock()
	var inner []*epollSet
	for key := range s.items {
		if set, ok := key.d.File.(*epollSet); ok {
			inner = append(inner, set)
		}
	}
	s.mu.Unlock()
	deepest := level
	for _, set := range inner {
		deepest = max(deepest, set.depth(avoid, level+1))
	}
	return deepest
}

func (s *epollSet) add(key epollKey, ev *EpollEvent) Errno {
	it := &epollItem{epollKey: key, set: s, events: ev.Events, data: [2]int32{ev.Fd, ev.Pad}}
	it.waiter.Mask = ^Events(0) // the item itself knows what is asked for
	it.waiter.Notify = it.notify
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return syscall.EBADF
	}
	if s.items[key] != nil {
		s.mu.Unlock()
		return syscall.EEXIST
	}
	s.items[key] = it
	s.mu.Unlock()

	d := key.d
	d.mu.Lock()
	d.items = append(d.items, it)
	d.mu.Unlock()
	d.File.Queue().Add(&it.waiter)
	if d.refs.Load() <= 0 {
		s.drop(it) // closed meanwhile
		return syscall.EBADF
	}
	if e := it.holds(); e != 0 {
		it.notify(e)
	}
	return 0
}

func (s *epollSet) modify(key epollKey, ev *EpollEvent) Errno {
	s.mu.Lock()
	it := s.items[key]
	if it == nil {
		s.mu.Unlock()
		return syscall.ENOENT
	}
	if (it.events|ev.Events)&epollExclusive != 0 {
		s.mu.Unlock()
		return syscall.EINVAL
	}
	it.events, it.data = ev.Events, [2]int32{ev.Fd, ev.Pad}
	s.mu.Unlock()
	if e := it.holds(); e != 0 {
		it.notify(e)
	}
	return 0
}

// take stores the interests that hold in events and returns their number.
func (s *epollSet) take(events []EpollEvent) int {
	s.collect.Lock()
	defer s.collect.Unlock()
	s.mu.Lock()
	items := s.ready
	s.ready = nil
	for _, it := range items {
		it.queued = false // what happens from here on queues the item again
	}
	s.mu.Unlock()
	n := 0
	var rest, again []*epollItem // are to be looked at next time, in this order
	for i, it := range items {
		if n == len(events) {
			rest = items[i:]
			break
		}
		e := it.holds()
		if e == 0 {
			continue
		}
		s.mu.Lock()
		events[n] = EpollEvent{Events: uint32(e), Fd: it.data[0], Pad: it.data[1]}
		n++
		switch {
		case it.events&epollOneShot != 0:
			it.events &= epollFlags
		case it.events&epollET == 0:
			again = append(again, it)
		}
		s.mu.Unlock()
	}
	s.mu.Lock()
	for _, it := range append(rest, again...) {
		if !it.queued && !it.gone {
			it.queued = true
			s.ready = append(s.ready, it)
		}
	}
	more := len(s.ready) > 0
	s.mu.Unlock()
	if more && n > 0 {
		s.queue.Notify(EventIn) // for others who wait
	}
	return n
}

// EpollWait is epoll_wait(2). A negative timeout is none.
func (k *Kernel) EpollWait(epfd int, events []EpollEvent, timeout time.Duration) (int, Errno) {
	_, s, err := k.epoll(epfd)
	if err != 0 {
		return -1, err
	}
	if len(events) == 0 {
		return -1, syscall.EINVAL
	}
	n := s.take(events)
	if n > 0 || timeout == 0 {
		return n, 0
	}
	w := NewWait(timeout)
	defer w.Done()
	w.Add(&s.queue, EventIn)
	for {
		if n := s.take(events); n > 0 {
			return n, 0
		}
		if !w.Block() {
			return 0, 0
		}
	}
}
