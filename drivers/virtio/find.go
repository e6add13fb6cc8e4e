package virtio

import (
	"strconv"

	"ringo.dev/ringo/drivers/pci"
	"ringo.dev/ringo/rt"
)

// Find returns the transports of the machine's devices of a kind (spec.Device*),
// those that the platform knows of first, then those on the PCI bus.
func Find(id uint32) ([]Transport, error) {
	devices, onBus := rt.Devices(), pci.Devices()
	found := make([]Transport, 0, len(devices)+len(onBus))
	for _, d := range devices {
		if d.ID != uint64(id) {
			continue
		}
		t, err := openMMIO(&d)
		if err != nil {
			return nil, &findError{d.Addr, err}
		}
		found = append(found, t)
	}
	for _, d := range onBus {
		if virtioID(&d) != id {
			continue
		}
		if t, ok := newPCI(&d); ok {
			found = append(found, t)
		} else if t, ok := newLegacyPCI(&d); ok {
			found = append(found, t)
		}
	}
	return found, nil
}

// findError is what is wrong with the device at an address.
type findError struct {
	addr uint64
	err  error
}

func (e *findError) Error() string {
	return "device at 0x" + strconv.FormatUint(e.addr, 16) + ": " + e.err.Error()
}

func (e *findError) Unwrap() error { return e.err }
