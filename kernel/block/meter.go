package block

import (
	"errors"
	"sync"
	"time"
)

// Meter is a Device that counts what is done with another.
type Meter struct {
	Device

	mu       sync.Mutex
	counters Counters
	last     time.Time // of the last change of what is pending
}

// Counters is what a Meter counts. A request that failed counts, too, but not one that
// the device does not have. Zeroes count as written.
type Counters struct {
	Reads, Writes, Discards, Flushes Count
	Pending                          uint64        // requests that have not ended
	Busy                             time.Duration // with at least one of these
	Waited                           time.Duration // of all requests together
}

// Count is of one kind of requests.
type Count struct {
	Requests, Bytes uint64
	Time            time.Duration // of these requests together
}

// NewMeter returns a Meter of d.
func NewMeter(d Device) *Meter { return &Meter{Device: d} }

// Counters returns what was counted.
func (m *Meter) Counters() Counters {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.advance(time.Now(), 0)
	return m.counters
}

// advance counts the time up to now, from when on there are more pending requests.
func (m *Meter) advance(now time.Time, more int) {
	c := &m.counters
	if c.Pending > 0 {
		passed := now.Sub(m.last)
		c.Busy += passed
		c.Waited += passed * time.Duration(c.Pending)
	}
	c.Pending += uint64(more)
	m.last = now
}

// request counts n requests of a kind, which do carries out together.
func (m *Meter) request(kind *Count, n int, bytes int64, do func() error) error {
	start := time.Now()
	m.mu.Lock()
	m.advance(start, n)
	m.mu.Unlock()
	err := do()
	end := time.Now()
	m.mu.Lock()
	m.advance(end, -n)
	if !errors.Is(err, errors.ErrUnsupported) {
		kind.Requests += uint64(n)
		kind.Bytes += uint64(bytes)
		kind.Time += end.Sub(start) * time.Duration(n)
	}
	m.mu.Unlock()
	return err
}

// ReadAt implements Device.
func (m *Meter) ReadAt(p []byte, off int64) error {
	return m.request(&m.counters.Reads, 1, int64(len(p)), func() error { return m.Device.ReadAt(p, off) })
}

// WriteAt implements Device.
func (m *Meter) WriteAt(p []byte, off int64) error {
	return m.request(&m.counters.Writes, 1, int64(len(p)), func() error { return m.Device.WriteAt(p, off) })
}

// Flush implements Device.
func (m *Meter) Flush() error { return m.request(&m.counters.Flushes, 1, 0, m.Device.Flush) }

// Discard implements Device.
func (m *Meter) Discard(off, n int64) error {
	return m.request(&m.counters.Discards, 1, n, func() error { return m.Device.Discard(off, n) })
}

// Zero implements Device.
func (m *Meter) Zero(off, n int64, discard bool) error {
	return m.request(&m.counters.Writes, 1, n, func() error { return m.Device.Zero(off, n, discard) })
}

// ReadAll implements Batcher.
func (m *Meter) ReadAll(list []Transfer) error {
	return m.request(&m.counters.Reads, len(list), length(list), func() error { return ReadAll(m.Device, list) })
}

// WriteAll implements Batcher. A flush behind writes counts as if it took no time.
func (m *Meter) WriteAll(list []Transfer, flush bool) error {
	switch {
	case flush && len(list) == 0:
		return m.Flush()
	case flush:
		m.mu.Lock()
		m.counters.Flushes.Requests++
		m.mu.Unlock()
	}
	return m.request(&m.counters.Writes, len(list), length(list), func() error { return WriteAll(m.Device, list, flush) })
}

// length returns how many bytes are transferred.
func length(list []Transfer) (n int64) {
	for _, t := range list {
		n += int64(len(t.Data))
	}
	return n
}
