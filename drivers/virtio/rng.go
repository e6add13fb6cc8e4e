package virtio

import (
	"sync"

	"ringo.dev/ringo/drivers/virtio/spec"
)

// RNG is a virtio entropy source (5.4).
type RNG struct {
	mu  sync.Mutex
	q   *queue
	buf []byte // what the device fills
}

// rngBuffer is how much is asked for at a time.
const rngBuffer = 64

// OpenRNG starts the entropy source behind t.
func OpenRNG(t Transport) (*RNG, error) {
	if t.DeviceID() != spec.DeviceRNG {
		return nil, deviceError("not an entropy source")
	}
	f, err := negotiate(t, spec.FeatureEventIdx, 0)
	if err != nil {
		return nil, err
	}
	q, err := newQueue(t, 0, f, rngBuffer, 0)
	if err != nil {
		return nil, err
	}
	ready(t, q)
	return &RNG{q: q, buf: q.extra}, nil
}

// Read fills p with entropy of the device, waiting as long as that takes. It
// fails only if the device is broken.
func (r *RNG) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for done := 0; done < len(p); {
		n, err := r.q.request(r.buf[:min(len(p)-done, len(r.buf))], spec.DescWrite)
		if err != nil {
			return done, err
		}
		if n == 0 {
			r.q.fail("the entropy source has no entropy")
			return done, r.q.err
		}
		done += copy(p[done:], r.buf[:n])
		clear(r.buf)
	}
	return len(p), nil
}
