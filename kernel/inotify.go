package kernel

import (
	"sync"
	"sync/atomic"
	"syscall"
)

// Events of inotify(7) that the kernel reports of itself.
const (
	inIgnored    = syscall.IN_IGNORED
	inOverflow   = syscall.IN_Q_OVERFLOW
	inDir        = syscall.IN_ISDIR
	inAll        = syscall.IN_ALL_EVENTS
	inAddFlags   = syscall.IN_ONLYDIR | syscall.IN_DONT_FOLLOW | syscall.IN_MASK_ADD | syscall.IN_ONESHOT | inExclUnlink | inMaskCreate
	inExclUnlink = 0x4000000
	inMaskCreate = 0x10000000

	// inotifyQueue is the most events that wait to be read
	// (fs.inotify.max_queued_events).
	inotifyQueue = 16384
)

// watchTable holds all watches by what they watch.
type watchTable struct {
	active atomic.Int32 // watches; while there are none, events cost nothing
	cookie atomic.Uint32

	mu    sync.Mutex
	nodes map[Inode][]*watch
}

// watch is an interest of one inotify instance in an inode.
type watch struct {
	owner *inotify
	id    int
	node  Inode
	mask  uint32 // guarded by watchTable.mu
}

// inotify is what inotify_init makes. Its maps are guarded by watchTable.mu.
type inotify struct {
	kernel  *Kernel
	queue   Queue
	watches map[int]*watch
	last    int

	mu     sync.Mutex
	events []inotifyEvent
}

// inotifyEvent is struct inotify_event.
type inotifyEvent struct {
	id           int
	mask, cookie uint32
	name         string
}

const inotifyHeader = 16 // of struct inotify_event, before the name

// Inotify is inotify_init1(2).
func (k *Kernel) Inotify(flags int) (int, Errno) {
	if flags&^(syscall.O_CLOEXEC|syscall.O_NONBLOCK) != 0 {
		return -1, syscall.EINVAL
	}
	return k.OpenFile(&inotify{kernel: k, watches: map[int]*watch{}}, syscall.O_RDONLY|flags)
}

func (k *Kernel) inotify(fd int) (*inotify, Errno) {
	d, err := k.file(fd)
	if err != 0 {
		return nil, err
	}
	in, ok := d.File.(*inotify)
	if !ok {
		return nil, syscall.EINVAL
	}
	return in, 0
}

// InotifyAdd is inotify_add_watch(2).
func (k *Kernel) InotifyAdd(fd int, path string, mask uint32) (int, Errno) {
	in, err := k.inotify(fd)
	if err != 0 {
		return -1, err
	}
	if mask&inAll == 0 || mask&^(inAll|inAddFlags) != 0 {
		return -1, syscall.EINVAL
	}
	step := follow
	if mask&syscall.IN_DONT_FOLLOW != 0 {
		step = noFollow
	}
	at, err := k.lookup(atFDCWD, path, step)
	if err != 0 {
		return -1, err
	}
	if _, isDir := at.Node.(Directory); mask&syscall.IN_ONLYDIR != 0 && !isDir {
		return -1, syscall.ENOTDIR
	}
	t := &k.watches
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, w := range t.nodes[at.Node] {
		if w.owner != in {
			continue
		}
		if mask&inMaskCreate != 0 {
			return -1, syscall.EEXIST
		}
		if mask&syscall.IN_MASK_ADD != 0 {
			mask |= w.mask
		}
		w.mask = mask
		return w.id, 0
	}
	in.last++
	w := &watch{owner: in, id: in.last, node: at.Node, mask: mask}
	in.watches[w.id] = w
	if t.nodes == nil {
		t.nodes = map[Inode][]*watch{}
	}
	t.nodes[at.Node] = append(t.nodes[at.Node], w)
	t.active.Add(1)
	return w.id, 0
}

// InotifyRemove is inotify_rm_watch(2).
func (k *Kernel) InotifyRemove(fd, id int) Errno {
	in, err := k.inotify(fd)
	if err != 0 {
		return err
	}
	t := &k.watches
	t.mu.Lock()
	w := in.watches[id]
	if w != nil {
		t.remove(w)
	}
	t.mu.Unlock()
	if w == nil {
		return syscall.EINVAL
	}
	in.put(inotifyEvent{id: id, mask: inIgnored})
	return 0
}

// remove takes a watch out. t.mu is held.
func (t *watchTable) remove(w *watch) {
	delete(w.owner.watches, w.id)
	list := t.nodes[w.node]
	for i, other := range list {
		if other == w {
			list = append(list[:i:i], list[i+1:]...)
			break
		}
	}
	if len(list) == 0 {
		delete(t.nodes, w.node)
	} else {
		t.nodes[w.node] = list
	}
	t.active.Add(-1)
}

// notify tells those who watch node of an event. name is set if it happened to
// an entry of that name in node, a directory.
func (t *watchTable) notify(node Inode, mask, cookie uint32, name string) {
	if node == nil {
		return
	}
	t.mu.Lock()
	var told []*watch
	for _, w := range append([]*watch(nil), t.nodes[node]...) {
		if w.mask&mask&inAll == 0 {
			continue
		}
		told = append(told, w)
		if w.mask&syscall.IN_ONESHOT != 0 {
			t.remove(w)
		}
	}
	t.mu.Unlock()
	for _, w := range told {
		w.owner.put(inotifyEvent{w.id, mask, cookie, name})
		if w.mask&syscall.IN_ONESHOT != 0 {
			w.owner.put(inotifyEvent{id: w.id, mask: inIgnored})
		}
	}
}

// gone ends the watches of an inode that was removed.
func (t *watchTable) gone(node Inode) {
	t.notify(node, syscall.IN_DELETE_SELF, 0, "")
	t.mu.Lock()
	list := t.nodes[node]
	for _, w := range list {
		t.remove(w)
	}
	t.mu.Unlock()
	for _, w := range list {
		w.owner.put(inotifyEvent{id: w.id, mask: inIgnored})
	}
}

// tell reports an event of something called name in dir: to the watches of dir,
// and if self is set to those of the thing itself.
func (k *Kernel) tell(dir Location, name string, node Inode, mask uint32, self bool) {
	if k.watches.active.Load() == 0 {
		return
	}
	if _, ok := node.(Directory); ok {
		mask |= inDir
	}
	if name != "" {
		k.watches.notify(dir.Node, mask, 0, name)
	}
	if self {
		k.watches.notify(node, mask, 0, "")
	}
}

// tellFile is tell for an event of an open file.
func (k *Kernel) tellFile(d *Description, mask uint32) {
	if k.watches.active.Load() != 0 && d.origin.Node != nil {
		k.tell(d.origin.dir, d.origin.name, d.origin.Node, mask, true)
	}
}

// tellRemoved reports that a name was removed.
func (k *Kernel) tellRemoved(p place) {
	if k.watches.active.Load() == 0 {
		return
	}
	if _, ok := p.at.Node.(Directory); !ok {
		k.tell(Location{}, "", p.at.Node, syscall.IN_ATTRIB, true) // one link less
	}
	k.tell(p.dir, p.name, p.at.Node, syscall.IN_DELETE, false)
	k.tellGone(p.at.Node)
}

// tellGone ends the watches of an inode if its last name was removed.
func (k *Kernel) tellGone(node Inode) {
	var st syscall.Stat_t
	if node != nil && node.Stat(&st) == 0 && st.Nlink == 0 {
		k.watches.gone(node)
	}
}

// tellRenamed reports a rename of what from led to.
func (k *Kernel) tellRenamed(from, to place) {
	t := &k.watches
	if t.active.Load() == 0 {
		return
	}
	var dir uint32
	if _, ok := from.at.Node.(Directory); ok {
		dir = inDir
	}
	cookie := t.cookie.Add(1)
	t.notify(from.dir.Node, syscall.IN_MOVED_FROM|dir, cookie, from.name)
	t.notify(to.dir.Node, syscall.IN_MOVED_TO|dir, cookie, to.name)
	t.notify(from.at.Node, syscall.IN_MOVE_SELF, 0, "")
	k.tellGone(to.at.Node) // if it was replaced
}

// put queues an event, unless it is the same as the last one.
func (in *inotify) put(e inotifyEvent) {
	in.mu.Lock()
	switch n := len(in.events); {
	case n > 0 && in.events[n-1] == e:
		in.mu.Unlock()
		return
	case n == inotifyQueue:
		e = inotifyEvent{id: -1, mask: inOverflow}
		fallthrough
	case n < inotifyQueue:
		in.events = append(in.events, e)
	}
	in.mu.Unlock()
	in.queue.Notify(EventIn)
}

// size is the length of the event for the reader: names are padded.
func (e *inotifyEvent) size() int {
	if e.name == "" {
		return inotifyHeader
	}
	return inotifyHeader + (len(e.name)+1+15)&^15
}

func (in *inotify) Read(p []byte) (int, Errno) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.events) == 0 {
		return 0, syscall.EAGAIN
	}
	n := 0
	for len(in.events) > 0 {
		e := &in.events[0]
		size := e.size()
		if size > len(p)-n {
			break
		}
		b := p[n : n+size]
		put32(b, uint32(e.id))
		put32(b[4:], e.mask)
		put32(b[8:], e.cookie)
		put32(b[12:], uint32(size-inotifyHeader))
		clear(b[inotifyHeader+copy(b[inotifyHeader:], e.name):])
		n += size
		in.events = in.events[1:]
	}
	if len(in.events) == 0 {
		in.events = nil
	}
	if n == 0 {
		return 0, syscall.EINVAL
	}
	return n, 0
}

func (in *inotify) Write(p []byte) (int, Errno) { return 0, syscall.EBADF }

func (in *inotify) Ready() Events {
	in.mu.Lock()
	defer in.mu.Unlock()
	if len(in.events) > 0 {
		return EventIn
	}
	return 0
}

func (in *inotify) Queue() *Queue                 { return &in.queue }
func (in *inotify) Name() string                  { return "anon_inode:inotify" }
func (in *inotify) Stat(st *syscall.Stat_t) Errno { return statAnon(st) }

func (in *inotify) Close() Errno {
	t := &in.kernel.watches
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, w := range in.watches {
		t.remove(w)
	}
	return 0
}
