package kernel

import (
	"sync"
	"syscall"
)

// fifoTable holds the pipes behind the FIFOs that are open.
type fifoTable struct {
	mu    sync.Mutex
	pipes map[Inode]*fifo
}

// fifo is the pipe of an inode.
type fifo struct {
	pipe
	table *fifoTable
	node  Inode
	opens int // guarded by table.mu; counts opens under way too
	// read and written count the opens ever made, guarded by pipe.mu: an open
	// waits for the other side to come, which may have gone again by then.
	read, written int
}

// fifoFile is one open FIFO: a pipe's end that shows the inode's attributes.
type fifoFile struct {
	pipeEnd
	fifo *fifo
}

func (f fifoFile) Stat(st *syscall.Stat_t) Errno { return f.fifo.node.Stat(st) }

func (f fifoFile) Ioctl(request, arg uintptr) (uintptr, Errno) { return f.fifo.Ioctl(request, arg) }

func (f fifoFile) Close() Errno {
	f.pipeEnd.Close()
	f.fifo.forget()
	return 0
}

func (t *fifoTable) get(node Inode) *fifo {
	t.mu.Lock()
	defer t.mu.Unlock()
	f := t.pipes[node]
	if f == nil {
		f = &fifo{table: t, node: node}
		f.limit = pipeCapacity
		if t.pipes == nil {
			t.pipes = map[Inode]*fifo{}
		}
		t.pipes[node] = f
	}
	f.opens++
	return f
}

func (f *fifo) forget() {
	f.table.mu.Lock()
	defer f.table.mu.Unlock()
	if f.opens--; f.opens == 0 {
		delete(f.table.pipes, f.node)
	}
}

// openFIFO opens a FIFO (fifo(7)): for one direction only, it waits for the
// other side.
func (k *Kernel) openFIFO(node Inode, flags int) (File, Errno) {
	f := k.vfs.fifos.get(node)
	p := &f.pipe
	p.mu.Lock()
	var end pipeEnd
	var waits func() bool // whether the other side is still to come; p.mu is held
	switch flags & oAccMode {
	case syscall.O_RDWR:
		p.readers, p.writers = p.readers+1, p.writers+1
		f.read, f.written = f.read+1, f.written+1
		end = pipeBoth{p}
	case syscall.O_RDONLY:
		p.readers++
		f.read++
		before := f.written
		if p.writers == 0 && flags&syscall.O_NONBLOCK == 0 {
			waits = func() bool { return f.written == before }
		}
		end = pipeReader{p}
	default:
		if p.readers == 0 && flags&syscall.O_NONBLOCK != 0 {
			p.mu.Unlock()
			f.forget()
			return nil, syscall.ENXIO
		}
		p.writers++
		f.written++
		before := f.read
		if p.readers == 0 {
			waits = func() bool { return f.read == before }
		}
		end = pipeWriter{p}
	}
	p.mu.Unlock()
	p.queue.Notify(EventPri) // wakes the opens that wait
	if waits != nil {
		retry(&p.queue, EventPri, 0, func() (int, Errno) {
			p.mu.Lock()
			defer p.mu.Unlock()
			if waits() {
				return 0, syscall.EAGAIN
			}
			return 0, 0
		})
	}
	return fifoFile{end, f}, 0
}
