package signals

import (
	"errors"
	"fmt"
	"math/bits"
	"os"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// Catcher catches signals. There is one at a time; of two, one after the other, the
// first may get what comes while they change places.
type Catcher struct {
	signals []syscall.Signal
	before  []*Action // of the first signals, as many as are caught
	stopped atomic.Bool
}

// What the handler uses. It may still be running after the last Catcher was stopped,
// so the eventfd is never closed: its number could be another file's.
var (
	pending uint64          // bit n is signal n+1
	bellFD  uint32          // number of bell
	one     = [8]byte{0: 1} // what is written there
	busy    atomic.Bool     // there is a Catcher
	bell    = sync.OnceValues(newBell)
)

// newBell makes the eventfd, which goroutines can wait for.
func newBell() (*os.File, error) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, fmt.Errorf("eventfd: %w", err)
	}
	atomic.StoreUint32(&bellFD, uint32(fd))
	return os.NewFile(uintptr(fd), "signals"), nil
}

// Catch catches signals until Stop. A signal whose number is above 64 does not exist.
func Catch(signals ...syscall.Signal) (*Catcher, error) {
	if busy.Swap(true) {
		return nil, errors.New("signals are caught already")
	}
	c := &Catcher{signals: signals}
	if _, err := bell(); err != nil {
		c.Stop()
		return nil, err
	}
	for _, sig := range signals {
		before, err := Handle(sig, catchAddress())
		if err != nil {
			c.Stop()
			return nil, fmt.Errorf("%v: %w", sig, err)
		}
		c.before = append(c.before, before)
	}
	return c, nil
}

// Next waits for signals, one at least, and returns them in the order of their
// numbers. A signal that comes again before that is one. After Stop there are none.
// Next is for one goroutine.
func (c *Catcher) Next() (list []syscall.Signal) {
	b, err := bell()
	for err == nil && len(list) == 0 && !c.stopped.Load() {
		var count [8]byte
		_, err = b.Read(count[:])
		for set := atomic.SwapUint64(&pending, 0); set != 0; set &= set - 1 {
			list = append(list, syscall.Signal(bits.TrailingZeros64(set)+1))
		}
	}
	return list
}

// Stop gives the signals back, and ends Next.
func (c *Catcher) Stop() {
	if c.stopped.Swap(true) {
		return
	}
	for i, before := range c.before {
		before.Restore(c.signals[i]) // it was possible in the other direction
	}
	if b, err := bell(); err == nil {
		b.Write(one[:]) // fails only if it has been written to 2^64-1 times
	}
	busy.Store(false)
}

// catchAddress returns that of the handler, which marks its signal in pending and
// adds 1 to the eventfd.
func catchAddress() uintptr
