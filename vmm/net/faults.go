package net

import (
	"bytes"
	"math/rand/v2"
	"sync"
	"time"

	"ringo.dev/ringo/drivers/virtio/spec"
)

// Faults says what is wrong with a link: the probability, from 0 to 1, with
// which each happens to a frame, in each direction.
type Faults struct {
	Drop      float64
	Duplicate float64
	Corrupt   float64 // one bit is flipped, anywhere in the frame
	Reorder   float64 // the frame is held back for up to ReorderBy
	ReorderBy time.Duration
	Seed      uint64 // of the generator that decides
}

// faulty is a Backend behind a link with faults.
type faulty struct {
	Backend
	faults Faults
	mu     sync.Mutex // guards random
	random *rand.Rand
	in     *faultyCard
	held   sync.WaitGroup // frames held back
	out    sync.Mutex     // one Send of the backend at a time
}

// WithFaults returns b behind a link with faults, for tests. Such a link has no
// offloads: each frame is one packet, with its checksum.
func WithFaults(b Backend, f Faults) Backend {
	return &faulty{Backend: b, faults: f, random: rand.New(rand.NewPCG(f.Seed, f.Seed))}
}

// Features implements Backend.
func (l *faulty) Features() uint64 {
	const offloads = spec.NetCSum | spec.NetGuestCSum |
		spec.NetHostTSO4 | spec.NetHostTSO6 | spec.NetGuestTSO4 | spec.NetGuestTSO6
	return l.Backend.Features() &^ offloads
}

// fate is what happens to a frame.
type fate struct {
	copies int
	flip   int // bit to be flipped; -1: none
	delay  time.Duration
}

// decide decides the fate of a frame of n bytes. Its header is not on the link.
func (l *faulty) decide(n int) fate {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := fate{copies: 1, flip: -1}
	happens := func(p float64) bool { return p > 0 && l.random.Float64() < p }
	if happens(l.faults.Drop) {
		f.copies = 0
	}
	if happens(l.faults.Duplicate) {
		f.copies *= 2
	}
	if bits := 8 * (n - spec.NetHeaderLen); happens(l.faults.Corrupt) && bits > 0 {
		f.flip = 8*spec.NetHeaderLen + l.random.IntN(bits)
	}
	if happens(l.faults.Reorder) && l.faults.ReorderBy > 0 {
		f.delay = time.Duration(l.random.Int64N(int64(l.faults.ReorderBy)))
	}
	return f
}

// pass lets a frame, of which it owns the memory, meet its fate: deliver gets
// what arrives.
func (l *faulty) pass(frame []byte, deliver func([]byte)) {
	f := l.decide(len(frame))
	if f.flip >= 0 {
		frame[f.flip/8] ^= 1 << (f.flip % 8)
	}
	if f.copies == 0 {
		return
	}
	arrive := func() {
		for range f.copies {
			deliver(frame)
		}
	}
	if f.delay == 0 {
		arrive()
		return
	}
	l.held.Add(1)
	time.AfterFunc(f.delay, func() {
		defer l.held.Done()
		arrive()
	})
}

// Attach implements Backend.
func (l *faulty) Attach(c Card, features uint64) error {
	l.in = &faultyCard{link: l, card: c, frames: make(chan []byte, faultyQueue), quit: make(chan struct{})}
	l.in.worker.Go(l.in.deliver)
	return l.Backend.Attach(l.in, features)
}

// Detach implements Backend.
func (l *faulty) Detach() {
	close(l.in.quit)
	l.in.worker.Wait()
	l.Backend.Detach()
	l.held.Wait()
}

// Send implements Backend.
func (l *faulty) Send(frame [][]byte) error {
	l.pass(bytes.Join(frame, nil), func(b []byte) {
		l.out.Lock()
		defer l.out.Unlock()
		l.Backend.Send([][]byte{b})
		l.Backend.Flush()
	})
	return nil
}

// faultyQueue is the number of frames that wait for the guest. Further ones are
// lost.
const faultyQueue = 4096

// faultyCard stands between the backend and the guest's card.
type faultyCard struct {
	link   *faulty
	card   Card
	buf    [maxLarge]byte
	frames chan []byte
	quit   chan struct{}
	worker sync.WaitGroup
}

// Reserve implements Card: there is always room here.
func (c *faultyCard) Reserve(n int) [][]byte {
	if n > len(c.buf) {
		return nil
	}
	return [][]byte{c.buf[:n]}
}

// Commit implements Card.
func (c *faultyCard) Commit(n int) {
	c.link.pass(bytes.Clone(c.buf[:n]), func(b []byte) {
		select {
		case c.frames <- b:
		default:
		}
	})
}

// Flush implements Card.
func (c *faultyCard) Flush() {}

// Wait implements Card. As there is always room, it waits for the end.
func (c *faultyCard) Wait() bool {
	<-c.quit
	return false
}

// deliver gives frames to the guest's card until quit.
func (c *faultyCard) deliver() {
	for {
		select {
		case b := <-c.frames:
			mem := c.card.Reserve(len(b))
			for mem == nil {
				if !c.card.Wait() {
					return
				}
				mem = c.card.Reserve(len(b))
			}
			rest := b
			for _, p := range mem {
				rest = rest[copy(p, rest):]
			}
			c.card.Commit(len(b))
			c.card.Flush()
		case <-c.quit:
			return
		}
	}
}
