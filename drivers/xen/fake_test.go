package xen

import (
	"encoding/binary"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// fakeXen is the hypervisor: it knows what was granted, and notifications do
// nothing, since the fakes poll.
type fakeXen struct {
	mu     sync.Mutex
	pages  map[uint32]*page // by reference
	domain uint16           // the only one that may be granted anything
}

func newFakeXen(domain uint16) *fakeXen {
	return &fakeXen{pages: map[uint32]*page{}, domain: domain}
}

func (f *fakeXen) grant(domain uint16, p *page, readOnly bool) (uint32, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if domain != f.domain {
		return 0, backendError("a grant to another domain")
	}
	ref := uint32(len(f.pages) + grantsReserved)
	f.pages[ref] = p
	return ref, nil
}

func (f *fakeXen) listen(uint16) (uint32, error) { return 7, nil }
func (f *fakeXen) notify(uint32)                 {}

// page returns what a reference stands for.
func (f *fakeXen) page(ref uint32) *page {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.pages[ref]
}

// fakeStore is XenStore: it answers the requests in its page.
type fakeStore struct {
	*storePage
	mu    sync.Mutex
	nodes map[string]string
	// changed is called after each write.
	changed func(path string)
	stop    atomic.Bool
	sending sync.Mutex
}

// startStore starts a fakeStore, for the duration of the test, and returns it
// with a connection to it.
func startStore(t *testing.T, nodes map[string]string) (*fakeStore, *store) {
	f := &fakeStore{storePage: new(storePage), nodes: nodes, changed: func(string) {}}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for f.serve() {
		}
	}()
	t.Cleanup(func() {
		f.stop.Store(true)
		<-done
	})
	return f, &store{mem: f.storePage, notify: func() {}}
}

// node returns a node's value.
func (f *fakeStore) node(path string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.nodes[path]
}

// set sets a node's value.
func (f *fakeStore) set(path, value string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.nodes[path] = value
}

// serve answers a request. It reports false when it is to stop.
func (f *fakeStore) serve() bool {
	head, ok := f.take(storeHeaderSize)
	if !ok {
		return false
	}
	var h storeHeader
	if _, err := binary.Decode(head, binary.LittleEndian, &h); err != nil {
		panic(err)
	}
	body, ok := f.take(int(h.Length))
	if !ok {
		return false
	}
	path, value, _ := strings.Cut(string(body), "\x00")
	answer, kind := f.answer(h.Type, path, value)
	h.Type, h.Length = kind, uint32(len(answer))
	return f.put(append(encode(h), answer...))
}

// encode returns a header's bytes.
func encode(h storeHeader) []byte {
	b, err := binary.Append(nil, binary.LittleEndian, &h)
	if err != nil {
		panic(err)
	}
	return b
}

func (f *fakeStore) answer(kind uint32, path, value string) (string, uint32) {
	switch kind {
	case storeWatch:
		f.put(encode(storeHeader{Type: storeEvent})) // even before the answer
		return "OK\x00", kind
	case storeWrite:
		f.set(path, value)
		f.changed(path)
		return "OK\x00", kind
	case storeRead:
		f.mu.Lock()
		defer f.mu.Unlock()
		if v, ok := f.nodes[path]; ok {
			return v, kind
		}
	case storeDirectory:
		f.mu.Lock()
		defer f.mu.Unlock()
		names := ""
		for n := range f.nodes {
			if rest, ok := strings.CutPrefix(n, path+"/"); ok && !strings.Contains(rest, "/") {
				names += rest + "\x00"
			}
		}
		if names != "" {
			return names, kind
		}
	}
	return "ENOENT\x00", storeError
}

// take takes n bytes from the request stream.
func (f *fakeStore) take(n int) ([]byte, bool) {
	b := make([]byte, 0, n)
	for len(b) < n {
		for atomic.LoadUint32(&f.requestPut) == f.requestGot {
			if f.stop.Load() {
				return nil, false
			}
			time.Sleep(10 * time.Microsecond)
		}
		b = append(b, f.request[f.requestGot%storeRing])
		atomic.AddUint32(&f.requestGot, 1)
	}
	return b, true
}

// put puts a message into the response stream.
func (f *fakeStore) put(b []byte) bool {
	f.sending.Lock()
	defer f.sending.Unlock()
	for _, c := range b {
		for f.responsePut-atomic.LoadUint32(&f.responseGot) == storeRing {
			if f.stop.Load() {
				return false
			}
			time.Sleep(10 * time.Microsecond)
		}
		f.response[f.responsePut%storeRing] = c
		atomic.AddUint32(&f.responsePut, 1)
	}
	return true
}

// backRing is the other side of a ring.
type backRing struct {
	*ring
	taken    uint32 // requests
	answered uint32
}

func newBackRing(r *ring) *backRing { return &backRing{ring: r} }

// take copies the next request to b, and reports whether there is one.
func (r *backRing) take(b []byte) bool {
	if atomic.LoadUint32(r.word(ringRequests)) == r.taken {
		return false
	}
	copy(b, r.at(r.taken))
	r.taken++
	return true
}

// answer adds a response.
func (r *backRing) answer(b []byte) {
	copy(r.at(r.answered), b)
	r.answered++
	atomic.StoreUint32(r.word(ringResponses), r.answered)
}
