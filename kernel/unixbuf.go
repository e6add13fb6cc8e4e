package kernel

import (
	"sync"
	"syscall"
)

const (
	inboxLimit = 208 << 10 // bytes; net.core.rmem_default
	inboxLeast = 2 << 10
	inboxMost  = 8 << 20
	// segmentSize is the least memory for the data of a stream, so that small
	// writes share it.
	segmentSize = 4 << 10
	// segmentCost counts for each message beside its data.
	segmentCost = 64
)

// inbox holds what was sent to a socket and not yet received.
type inbox struct {
	owner  *unixSocket
	stream bool

	mu       sync.Mutex
	segments []segment
	bytes    int // with segmentCost for each message, except in a stream
	limit    int
	shut     bool // nothing is received any more: sending fails
	eof      bool // nothing more will be sent
	reset    bool // the peer was closed before it had read everything
	senders  map[*unixSocket]struct{}
}

// segment is a message, or a part of a stream.
type segment struct {
	data   []byte
	from   string // the sender's name
	rights []*Description
}

func (b *inbox) cost(n int) int {
	if b.stream {
		return n
	}
	return n + segmentCost
}

// put enters data. In a stream it takes what there is room for.
func (b *inbox) put(from *unixSocket, bufs [][]byte, name string, rights []*Description) (int, Errno) {
	size := 0
	for _, p := range bufs {
		size += len(p)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.shut:
		return 0, syscall.EPIPE
	case b.stream && size == 0:
		return 0, 0
	case !b.stream && b.cost(size) > b.limit:
		return 0, syscall.EMSGSIZE
	}
	room := b.limit - b.bytes
	if b.stream && room <= 0 || !b.stream && b.cost(size) > room {
		if b.senders == nil {
			b.senders = map[*unixSocket]struct{}{}
		}
		b.senders[from] = struct{}{}
		return 0, syscall.EAGAIN
	}
	n := size
	if b.stream {
		n = min(size, room)
	}
	b.bytes += b.cost(n)
	dst := b.segmentFor(n, name, rights)
	left := n
	for _, p := range bufs {
		p = p[:min(len(p), left)]
		dst.data = append(dst.data, p...)
		left -= len(p)
	}
	return n, 0
}

// segmentFor returns where n bytes are to be appended.
func (b *inbox) segmentFor(n int, name string, rights []*Description) *segment {
	capacity := n
	if b.stream {
		if len(b.segments) > 0 && rights == nil {
			if last := &b.segments[len(b.segments)-1]; cap(last.data)-len(last.data) >= n {
				return last
			}
		}
		capacity = max(n, segmentSize)
	}
	b.segments = append(b.segments, segment{make([]byte, 0, capacity), name, rights})
	return &b.segments[len(b.segments)-1]
}

// received is the result of get.
type received struct {
	n       int
	from    string
	named   bool // there is a sender
	rights  []*Description
	flags   int  // MSG_TRUNC
	room    bool // senders that found no room may try again
	senders map[*unixSocket]struct{}
}

// get takes data out; with MSG_PEEK it leaves it.
func (b *inbox) get(bufs [][]byte, flags int) (r received, err Errno) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.segments) == 0 {
		switch {
		case b.reset:
			b.reset = false
			return r, syscall.ECONNRESET
		case b.eof || b.shut:
			return r, 0
		}
		return r, syscall.EAGAIN
	}
	if b.stream {
		r = b.getStream(bufs, flags&syscall.MSG_PEEK != 0)
	} else {
		r = b.getMessage(bufs, flags)
	}
	if flags&syscall.MSG_PEEK != 0 {
		r.rights = nil // only taking the message out takes them
		return r, 0
	}
	r.room = true
	r.senders, b.senders = b.senders, nil
	return r, 0
}

// getStream fills bufs from consecutive segments. It stops before a segment
// that brings descriptors, which belong to its first byte.
func (b *inbox) getStream(bufs [][]byte, peek bool) (r received) {
	r.rights = b.segments[0].rights
	i, at := 0, 0 // segment and offset
	for _, p := range bufs {
		for len(p) > 0 && i < len(b.segments) && (i == 0 || b.segments[i].rights == nil) {
			n := copy(p, b.segments[i].data[at:])
			p = p[n:]
			r.n += n
			if at += n; at == len(b.segments[i].data) {
				i, at = i+1, 0
			}
		}
	}
	if peek {
		return r
	}
	b.bytes -= r.n
	clear(b.segments[:i])
	if b.segments = b.segments[i:]; len(b.segments) == 0 {
		b.segments = nil
	} else {
		b.segments[0].data = b.segments[0].data[at:]
		if i == 0 && r.n > 0 {
			b.segments[0].rights = nil
		}
	}
	return r
}

// getMessage fills bufs from the first message.
func (b *inbox) getMessage(bufs [][]byte, flags int) (r received) {
	m := &b.segments[0]
	data := m.data
	for _, p := range bufs {
		n := copy(p, data)
		data = data[n:]
		r.n += n
	}
	if len(data) > 0 {
		r.flags = syscall.MSG_TRUNC
		if flags&syscall.MSG_TRUNC != 0 {
			r.n = len(m.data)
		}
	}
	r.from, r.named, r.rights = m.from, m.from != "", m.rights
	if flags&syscall.MSG_PEEK == 0 {
		b.bytes -= b.cost(len(m.data))
		*m = segment{}
		if b.segments = b.segments[1:]; len(b.segments) == 0 {
			b.segments = nil
		}
	}
	return r
}

func (b *inbox) readReady() (e Events) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.segments) > 0 || b.eof || b.shut || b.reset {
		e |= EventIn
	}
	if b.eof || b.shut {
		e |= EventRdHup
	}
	return e
}

// writeReady reports whether sending would not answer EAGAIN.
func (b *inbox) writeReady() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.bytes < b.limit || b.shut
}

// finish tells that nothing more will be sent; reset, that what the owner sent
// was not read.
func (b *inbox) finish(reset bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.eof = true
	b.reset = b.reset || reset
}

func (b *inbox) shutRead() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.shut = true
}

// close drops everything and reports whether there was something.
func (b *inbox) close(k *Kernel) (unread bool) {
	b.mu.Lock()
	segments, senders := b.segments, b.senders
	b.segments, b.senders, b.bytes, b.shut = nil, nil, 0, true
	b.mu.Unlock()
	for _, s := range segments {
		k.dropRights(s.rights)
	}
	wake(senders, EventOut)
	return len(segments) > 0
}

func (b *inbox) setLimit(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.limit = min(max(n, inboxLeast), inboxMost)
}

func (b *inbox) capacity() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.limit
}

// available returns what FIONREAD tells: the bytes of a stream, or the length
// of the first message.
func (b *inbox) available() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stream {
		return b.bytes
	}
	if len(b.segments) == 0 {
		return 0
	}
	return len(b.segments[0].data)
}
