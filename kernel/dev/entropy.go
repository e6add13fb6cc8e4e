package dev

import (
	"errors"

	"ringo.dev/ringo/drivers/virtio"
	"ringo.dev/ringo/drivers/virtio/spec"
	"ringo.dev/ringo/rt"
)

// entropySize is how many bytes are asked of the machine's entropy source: more than
// rt's generator holds.
const entropySize = 48

// AddEntropy keys rt's generator from the machine's entropy source, a virtio device,
// where the machine gave no seed and the processor has none.
func AddEntropy() error {
	transports, err := virtio.Find(spec.DeviceRNG)
	if err != nil {
		return err
	}
	if len(transports) == 0 {
		return errors.New("the machine gave no seed, the processor has no RDRAND, and there is no virtio entropy source")
	}
	source, err := virtio.OpenRNG(transports[0])
	if err != nil {
		return err
	}
	var b [entropySize]byte
	if _, err := source.Read(b[:]); err != nil {
		return err
	}
	rt.AddEntropy(b[:])
	clear(b[:])
	return nil
}
