package virtio

import (
	"crypto/rand"
	"fmt"
	"sync"

	"ringo.dev/ringo/drivers/virtio/spec"
)

const (
	rngQueueSize = 16
	// rngLimit is the most that one request gets.
	rngLimit = 4096
)

// rng is the entropy device (5.4).
type rng struct {
	worker sync.WaitGroup
}

// NewRNG returns an entropy source that is fed by the host's.
func NewRNG() *Device { return newDevice(&rng{}) }

func (r *rng) id() uint32        { return spec.DeviceRNG }
func (r *rng) features() uint64  { return 0 }
func (r *rng) queueSizes() []int { return []int{rngQueueSize} }
func (r *rng) config() []byte    { return nil }
func (r *rng) stop()             { r.worker.Wait() }

func (r *rng) start(_ uint64, queues []*queue) error {
	r.worker.Go(func() { queues[0].serve(&server{handle: fillRandom}) })
	return nil
}

// fillRandom answers one request.
func fillRandom(c *chain) (n int, err error) {
	if len(c.read) > 0 {
		return 0, fmt.Errorf("a request to the entropy source with data")
	}
	for _, p := range c.write {
		p = p[:min(len(p), rngLimit-n)]
		rand.Read(p) // never fails
		n += len(p)
	}
	return n, nil
}
