package vmm

import (
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"

	"ringo.dev/ringo/vmm/abi"
)

// console empties the guest's output ring into a writer. A goroutine does so
// when the guest rings the doorbell, so that a slow writer holds up a vCPU
// only once the ring is full.
type console struct {
	ring *abi.Console
	bell *os.File
	fail func(error)

	mu   sync.Mutex
	w    io.Writer
	tail uint32 // ours; the one in the ring is only told to the guest
	buf  [8 << 10]byte
}

// run drains the ring until the doorbell is closed.
func (c *console) run() {
	var count [8]byte
	for {
		c.flush()
		atomic.StoreUint32(&c.ring.Idle, 1)
		if !c.empty() { // written before the guest could see Idle
			atomic.StoreUint32(&c.ring.Idle, 0)
			continue
		}
		if _, err := c.bell.Read(count[:]); err != nil {
			return
		}
	}
}

func (c *console) empty() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return atomic.LoadUint32(&c.ring.Head) == c.tail
}

// flush writes out what is in the ring now.
func (c *console) flush() {
	c.mu.Lock()
	defer c.mu.Unlock()
	head := atomic.LoadUint32(&c.ring.Head)
	if head-c.tail > abi.ConsoleSize {
		c.fail(fmt.Errorf("its console ring holds %d bytes of %d", head-c.tail, abi.ConsoleSize))
		c.tail = head
	}
	for c.tail != head {
		at := c.tail % abi.ConsoleSize
		n := copy(c.buf[:], c.ring.Data[at:min(abi.ConsoleSize, at+head-c.tail)])
		c.tail += uint32(n)
		atomic.StoreUint32(&c.ring.Tail, c.tail)
		c.w.Write(c.buf[:n]) // a reader that went away is no reason to stop the guest
	}
}
