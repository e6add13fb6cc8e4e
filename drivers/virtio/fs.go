package virtio

import (
	"runtime"
	"time"

	"ringo.dev/ringo/drivers/virtio/spec"
)

// FS is a virtio file system device (5.11). It carries requests of the FUSE
// protocol, as many at a time as it has queues.
type FS struct {
	queues chan *fsQueue // those that are free
}

// fsQueue is a queue with the memory that the device has: it must neither be
// freed nor, as it would be on a stack, be moved.
type fsQueue struct {
	*queue
	in, out [][]byte
}

// maxFSQueues bounds the request queues that are used.
const maxFSQueues = 4

// FindFS starts the file system device with a tag. There may be none: then it
// returns nil.
func FindFS(tag string) (*FS, error) {
	transports, err := Find(spec.DeviceFS)
	if err != nil {
		return nil, err
	}
	for _, t := range transports {
		if fsTag(t) == tag {
			return OpenFS(t)
		}
	}
	return nil, nil
}

// fsTag reads a device's tag.
func fsTag(t Transport) string {
	tag := make([]byte, 0, spec.FSTagLen)
	for at := 0; at < spec.FSTagLen; at += 4 {
		word := t.Config(spec.FSConfigTag+at, 4)
		for range 4 {
			if word&0xff == 0 {
				return string(tag)
			}
			tag = append(tag, byte(word))
			word >>= 8
		}
	}
	return string(tag)
}

// OpenFS starts the file system device behind t.
func OpenFS(t Transport) (*FS, error) {
	if t.DeviceID() != spec.DeviceFS {
		return nil, deviceError("not a file system")
	}
	f, err := negotiate(t, spec.FeatureEventIdx|spec.FeatureIndirect, 0)
	if err != nil {
		return nil, err
	}
	n := min(int(t.Config(spec.FSConfigQueues, 4)), maxFSQueues)
	if n < 1 {
		return nil, deviceError("a file system without queues for requests")
	}
	urgent, err := newQueue(t, spec.FSQueueHighPriority, f, 0, 0)
	if err != nil {
		return nil, err
	}
	all := []*queue{urgent}
	fs := &FS{queues: make(chan *fsQueue, n)}
	for i := range n {
		q, err := newQueue(t, spec.FSQueueRequests+i, f, 0, 0)
		if err != nil {
			return nil, err
		}
		fs.queues <- &fsQueue{queue: q}
		all = append(all, q)
	}
	ready(t, all...)
	return fs, nil
}

// Call gives the device a request, whose pieces are in, and waits for the answer,
// which it puts into the pieces of out. n is the number of bytes that it wrote.
// The memory is the device's until Call returns.
func (fs *FS) Call(in, out [][]byte) (n int, err error) {
	q := <-fs.queues
	q.in, q.out = in, out
	defer func() {
		q.in, q.out = nil, nil
		fs.queues <- q
	}()
	if q.err != nil {
		return 0, q.err
	}
	q.begin()
	for _, b := range in {
		q.append(b, 0)
	}
	for _, b := range out {
		q.append(b, spec.DescWrite)
	}
	if q.room() > len(q.free) {
		return 0, errTooLong
	}
	q.submit()
	q.kickSoon()
	written, err := q.await()
	return int(written), err
}

// kickSoon notifies the device when this CPU has nothing else to do, which is
// cheaper. If other goroutines keep it busy, it does so at once.
func (q *queue) kickSoon() {
	wanted := q.wantsKick()
	q.notified = q.added
	if !wanted {
		return
	}
	q.t.NotifySoon(q.index)
	start := time.Now()
	runtime.Gosched()
	if q.idle() && time.Since(start) > patience {
		q.t.Notify(q.index)
	}
}
