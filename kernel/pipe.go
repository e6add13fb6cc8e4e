package kernel

import (
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const (
	pipeAtomic   = 4096 // PIPE_BUF: writes up to this size are not split
	pipeCapacity = 64 << 10
	pipeMost     = 1 << 20 // /proc/sys/fs/pipe-max-size
)

// lastAnon is the number of the last file made that has no file system.
var lastAnon atomic.Uint64

// NextInode returns the inode number for a pipe, a socket or another file that
// has no file system. Each is given once.
func NextInode() uint64 { return lastAnon.Add(1) }

// pipe is a ring of bytes between readers and writers. Both ends share one
// queue; what a waiter's mask asks for tells the ends apart.
type pipe struct {
	ino   uint64
	made  time.Time
	queue Queue

	mu       sync.Mutex
	buf      []byte // the ring; grows up to limit as it is needed
	limit    int
	start, n int // the bytes in the ring begin at start
	readers  int
	writers  int
}

func newPipe() *pipe {
	return &pipe{ino: NextInode(), made: time.Now(), limit: pipeCapacity}
}

// pipeEnd is a File on a pipe.
type pipeEnd interface {
	File
	ring() *pipe
}

type (
	pipeReader struct{ *pipe }
	pipeWriter struct{ *pipe }
	// pipeBoth is a FIFO opened with O_RDWR.
	pipeBoth struct{ *pipe }
)

// Pipe is pipe2(2).
func (k *Kernel) Pipe(flags int) (fds [2]int, err Errno) {
	if flags&^(syscall.O_CLOEXEC|syscall.O_NONBLOCK|syscall.O_DIRECT) != 0 {
		return fds, syscall.EINVAL
	}
	p := newPipe()
	p.readers, p.writers = 1, 1
	return k.openPair(pipeReader{p}, pipeWriter{p}, flags|syscall.O_RDONLY, flags|syscall.O_WRONLY)
}

func (p *pipe) ring() *pipe   { return p }
func (p *pipe) Queue() *Queue { return &p.queue }

func (p *pipe) Stat(st *syscall.Stat_t) Errno {
	st.Mode = syscall.S_IFIFO | 0o600
	st.Ino = p.ino
	st.Nlink = 1
	st.Blksize = 4096
	t := syscall.NsecToTimespec(p.made.UnixNano())
	st.Atim, st.Mtim, st.Ctim = t, t, t
	return 0
}

// SetAttr is refused: a pipe has no attributes to be set.
func (p *pipe) SetAttr(a *Attr) Errno { return syscall.EPERM }

// Open makes another end, for /proc/self/fd.
func (p *pipe) Open(flags int) (File, Errno) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch flags & oAccMode {
	case syscall.O_RDONLY:
		p.readers++
		return pipeReader{p}, 0
	case syscall.O_WRONLY:
		p.writers++
		return pipeWriter{p}, 0
	}
	p.readers, p.writers = p.readers+1, p.writers+1
	return pipeBoth{p}, 0
}

func (p *pipe) capacity() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.limit
}

// resize is F_SETPIPE_SZ.
func (p *pipe) resize(size int) (int, Errno) {
	if size < 0 || size > 1<<31-1 {
		return -1, syscall.EINVAL
	}
	if size > pipeMost {
		return -1, syscall.EPERM
	}
	limit := 4096
	for limit < size {
		limit *= 2
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if limit < p.n {
		return -1, syscall.EBUSY
	}
	if len(p.buf) > limit {
		p.move(limit)
	}
	p.limit = limit
	return limit, 0
}

// move puts the bytes into a ring of another size. p.mu is held.
func (p *pipe) move(size int) {
	buf := make([]byte, size)
	k := copy(buf[:p.n], p.buf[p.start:])
	copy(buf[k:p.n], p.buf)
	p.buf, p.start = buf, 0
}

func (p *pipe) read(b []byte) (int, Errno) {
	if len(b) == 0 {
		return 0, 0
	}
	p.mu.Lock()
	if p.n == 0 {
		writers := p.writers
		p.mu.Unlock()
		if writers == 0 {
			return 0, 0
		}
		return 0, syscall.EAGAIN
	}
	full := p.limit-p.n < pipeAtomic
	n := copy(b[:min(len(b), p.n)], p.buf[p.start:])
	n += copy(b[n:min(len(b), p.n)], p.buf)
	p.n -= n
	if p.start += n; p.start >= len(p.buf) {
		p.start -= len(p.buf)
	}
	if p.n == 0 {
		p.start = 0
	}
	room := full && p.limit-p.n >= pipeAtomic
	p.mu.Unlock()
	if room {
		p.queue.Notify(EventOut)
	}
	return n, 0
}

func (p *pipe) write(b []byte) (int, Errno) {
	p.mu.Lock()
	if p.readers == 0 {
		p.mu.Unlock()
		return 0, syscall.EPIPE
	}
	if len(b) == 0 {
		p.mu.Unlock()
		return 0, 0
	}
	room := p.limit - p.n
	if room == 0 || len(b) <= pipeAtomic && room < len(b) {
		p.mu.Unlock()
		return 0, syscall.EAGAIN
	}
	n := min(len(b), room)
	if need := p.n + n; need > len(p.buf) {
		size := max(pipeAtomic, len(p.buf))
		for size < need {
			size *= 2
		}
		p.move(size) // limit is a power of two: size does not exceed it
	}
	end := p.start + p.n
	if end >= len(p.buf) {
		end -= len(p.buf)
	}
	k := copy(p.buf[end:], b[:n])
	copy(p.buf, b[k:n])
	p.n += n
	p.mu.Unlock()
	p.queue.Notify(EventIn)
	return n, 0
}

func (p *pipe) readReady() (e Events) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.n > 0 {
		e |= EventIn
	}
	if p.writers == 0 {
		e |= EventHup
	}
	return e
}

func (p *pipe) writeReady() (e Events) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.limit-p.n >= pipeAtomic {
		e |= EventOut
	}
	if p.readers == 0 {
		e |= EventErr
	}
	return e
}

// leave counts ends that are closed and tells the other side.
func (p *pipe) leave(readers, writers int) {
	p.mu.Lock()
	p.readers -= readers
	p.writers -= writers
	var e Events
	if readers > 0 && p.readers == 0 {
		e |= EventErr | EventOut
	}
	if writers > 0 && p.writers == 0 {
		e |= EventHup | EventIn
	}
	if p.readers == 0 && p.writers == 0 {
		p.buf, p.start, p.n = nil, 0, 0
	}
	p.mu.Unlock()
	if e != 0 {
		p.queue.Notify(e)
	}
}

// Ioctl answers FIONREAD.
func (p *pipe) Ioctl(request, arg uintptr) (uintptr, Errno) {
	if request != fioNRead {
		return 0, syscall.ENOTTY
	}
	v, err := UserValue[int32](arg, true)
	if err == 0 {
		p.mu.Lock()
		*v = int32(p.n)
		p.mu.Unlock()
	}
	return 0, err
}

func (r pipeReader) Read(b []byte) (int, Errno)  { return r.read(b) }
func (r pipeReader) Write(b []byte) (int, Errno) { return 0, syscall.EBADF }
func (r pipeReader) Ready() Events               { return r.readReady() }
func (r pipeReader) Close() Errno                { r.leave(1, 0); return 0 }

func (w pipeWriter) Read(b []byte) (int, Errno)  { return 0, syscall.EBADF }
func (w pipeWriter) Write(b []byte) (int, Errno) { return w.write(b) }
func (w pipeWriter) Ready() Events               { return w.writeReady() }
func (w pipeWriter) Close() Errno                { w.leave(0, 1); return 0 }

func (f pipeBoth) Read(b []byte) (int, Errno)  { return f.read(b) }
func (f pipeBoth) Write(b []byte) (int, Errno) { return f.write(b) }
func (f pipeBoth) Ready() Events               { return f.readReady() | f.writeReady() }
func (f pipeBoth) Close() Errno                { f.leave(1, 1); return 0 }
