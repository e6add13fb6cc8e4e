package xen

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
	"unsafe"

	"ringo.dev/ringo/drivers/virtio"
	"ringo.dev/ringo/rt"
)

// store is the connection to XenStore, a tree of short texts in which domains
// tell each other of their devices (docs/misc/xenstore.txt, io/xs_wire.h).
// Paths that do not begin with a slash are below the domain's own node. It is
// for one goroutine at a time.
type store struct {
	mem    *storePage
	notify func() // tells the other side that mem has changed
	id     uint32 // of the last request
	events int    // of watches, that came and were not asked for yet
}

// storePage is struct xenstore_domain_interface: a stream of bytes in each
// direction. Indices run freely.
type storePage struct {
	request  [storeRing]byte
	response [storeRing]byte

	requestGot, requestPut   uint32
	responseGot, responsePut uint32
}

const storeRing = 1024

// Types of messages (enum xsd_sockmsg_type).
const (
	storeDirectory = 1
	storeRead      = 2
	storeWatch     = 4
	storeWrite     = 11
	storeEvent     = 15
	storeError     = 16
)

// storeMost is the most that a message holds (XENSTORE_PAYLOAD_MAX), behind its
// header.
const storeMost = 4096

// storeHeader precedes every message (struct xsd_sockmsg).
type storeHeader struct {
	Type, ID, Transaction, Length uint32
}

const storeHeaderSize = 16

// storeMissing is XenStore's error for a node that does not exist.
const storeMissing = storeFault("ENOENT")

// storeFault is an error that XenStore answers: the name of an errno.
type storeFault string

func (e storeFault) Error() string { return "XenStore says " + string(e) }

// openStore connects to XenStore. The domain's builder has made the connection.
func openStore(x hypervisor) (*store, error) {
	frame, err := param(paramStoreFrame)
	if err != nil {
		return nil, err
	}
	port, err := param(paramStorePort)
	if err != nil {
		return nil, err
	}
	mem := rt.MapDevice(frame*pageSize, pageSize)
	if frame == 0 || mem == 0 {
		return nil, fmt.Errorf("xen: XenStore's page, %#x, is out of reach", frame)
	}
	s := &store{mem: (*storePage)(rt.Pointer(mem)), notify: func() { x.notify(uint32(port)) }}
	return s, nil
}

// read returns a node's value.
func (s *store) read(path string) (string, error) {
	b, err := s.ask(storeRead, path, "\x00")
	return string(b), err
}

// readInt returns a node's value, which is a decimal number; missing is what it
// is if there is no such node.
func (s *store) readInt(path string, missing int) (int, error) {
	text, err := s.ask(storeRead, path, "\x00")
	if err == storeMissing {
		return missing, nil
	}
	if err != nil {
		return 0, err
	}
	n, err := strconv.Atoi(string(text))
	if err != nil {
		return 0, backendError(path + " is no number in XenStore")
	}
	return n, nil
}

// list returns the names of the nodes below a node.
func (s *store) list(path string) ([]string, error) {
	b, err := s.ask(storeDirectory, path, "\x00")
	if err != nil {
		return nil, err
	}
	return strings.FieldsFunc(string(b), func(r rune) bool { return r == 0 }), nil
}

// write sets a node's value.
func (s *store) write(path, value string) error {
	_, err := s.ask(storeWrite, path, "\x00", value)
	return err
}

// watch asks for an event now, and each time that a node changes.
func (s *store) watch(path string) error {
	_, err := s.ask(storeWatch, path, "\x00", path, "\x00")
	return err
}

// event waits for an event of a watch.
func (s *store) event() error {
	for ; s.events == 0; s.events++ {
		h, _, err := s.message()
		if err != nil {
			return err
		}
		if h.Type != storeEvent {
			return backendError("XenStore answers what was not asked")
		}
	}
	s.events--
	return nil
}

// await reads a number again and again until it is one of those wanted, or the
// time is over.
func (s *store) await(path string, patience time.Duration, wanted ...int) error {
	pause := time.Millisecond
	for end := time.Now().Add(patience); ; time.Sleep(pause) {
		pause = min(2*pause, 50*time.Millisecond)
		n, err := s.readInt(path, 0)
		if err != nil {
			return err
		}
		for _, w := range wanted {
			if n == w {
				return nil
			}
		}
		if time.Now().After(end) {
			return fmt.Errorf("%w: %s stayed %d for %v; is its driver running there?", ErrBackend, path, n, patience)
		}
	}
}

// ask sends a request and returns its answer.
func (s *store) ask(kind uint32, parts ...string) ([]byte, error) {
	body := strings.Join(parts, "")
	if len(body) > storeMost {
		return nil, fmt.Errorf("xen: a request of %d bytes is too long for XenStore", len(body))
	}
	s.id++
	request, err := binary.Append(nil, binary.LittleEndian, &storeHeader{Type: kind, ID: s.id, Length: uint32(len(body))})
	if err != nil {
		return nil, err
	}
	if err := s.send(append(request, body...)); err != nil {
		return nil, err
	}
	h, answer, err := s.message()
	for ; err == nil && h.Type == storeEvent; h, answer, err = s.message() {
		s.events++
	}
	switch {
	case err != nil:
		return nil, err
	case h.ID != s.id || h.Type != kind && h.Type != storeError:
		return nil, backendError("XenStore's answer is not one to the question")
	case h.Type == storeError:
		return nil, storeFault(bytes.TrimRight(answer, "\x00"))
	}
	return answer, nil
}

// message receives a message.
func (s *store) message() (h storeHeader, body []byte, err error) {
	var head [storeHeaderSize]byte
	if err := s.receive(head[:]); err != nil {
		return h, nil, err
	}
	if _, err := binary.Decode(head[:], binary.LittleEndian, &h); err != nil {
		return h, nil, err
	}
	if h.Length > storeMost {
		return h, nil, backendError("XenStore sent a message of an impossible length")
	}
	body = make([]byte, h.Length)
	return h, body, s.receive(body)
}

// send puts b into the request stream.
func (s *store) send(b []byte) error {
	m := s.mem
	for len(b) > 0 {
		got := atomic.LoadUint32(&m.requestGot)
		used := m.requestPut - got
		if used > storeRing {
			return backendError("XenStore took more than it was sent")
		}
		if used == storeRing {
			wait(&m.requestGot, got)
			continue
		}
		at := m.requestPut % storeRing
		n := copy(m.request[at:min(at+storeRing-used, storeRing)], b)
		b = b[n:]
		atomic.StoreUint32(&m.requestPut, m.requestPut+uint32(n))
		s.notify()
	}
	return nil
}

// receive fills b from the response stream.
func (s *store) receive(b []byte) error {
	m := s.mem
	for len(b) > 0 {
		put := atomic.LoadUint32(&m.responsePut)
		ready := put - m.responseGot
		if ready > storeRing {
			return backendError("XenStore sent more than there is room for")
		}
		if ready == 0 {
			wait(&m.responsePut, put)
			continue
		}
		at := m.responseGot % storeRing
		n := copy(b, m.response[at:min(at+ready, storeRing)])
		b = b[n:]
		atomic.StoreUint32(&m.responseGot, m.responseGot+uint32(n))
		s.notify()
	}
	return nil
}

// wait sleeps until the other side has changed an index, or shortly.
func wait(index *uint32, seen uint32) {
	if runtime.Gosched(); atomic.LoadUint32(index) == seen {
		virtio.WaitIndex((*uint16)(unsafe.Pointer(index)), uint16(seen))
	}
}
