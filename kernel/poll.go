package kernel

import (
	"syscall"
	"time"
)

// PollFD is struct pollfd.
type PollFD struct {
	FD      int32
	Events  int16
	Revents int16
}

const pollInvalid = 0x20 // POLLNVAL

// pollOne returns the events that hold of those asked for.
func (k *Kernel) pollOne(fd int, mask Events) Events {
	d := k.files.get(fd)
	if d == nil {
		return pollInvalid
	}
	return d.File.Ready() & (mask | EventErr | EventHup)
}

// readNormal and writeNormal are what POLLRDNORM and POLLWRNORM add to POLLIN
// and POLLOUT.
const (
	readNormal  = 0x40
	writeNormal = 0x100
)

// pollMask translates the events of struct pollfd.
func pollMask(events int16) Events {
	e := Events(uint16(events))
	if e&readNormal != 0 {
		e |= EventIn
	}
	if e&writeNormal != 0 {
		e |= EventOut
	}
	return e
}

// pollResult is the reverse of pollMask.
func pollResult(e Events, asked int16) int16 {
	if e&EventIn != 0 {
		e |= readNormal
	}
	if e&EventOut != 0 {
		e |= writeNormal
	}
	return int16(uint16(e & (Events(uint16(asked)) | EventErr | EventHup | pollInvalid)))
}

// Poll is poll(2). A negative timeout is none.
func (k *Kernel) Poll(fds []PollFD, timeout time.Duration) (int, Errno) {
	if len(fds) > k.limits.files() {
		return -1, syscall.EINVAL
	}
	look := func() (n int) {
		for i := range fds {
			p := &fds[i]
			p.Revents = 0
			if p.FD < 0 {
				continue
			}
			e := k.pollOne(int(p.FD), pollMask(p.Events))
			if p.Revents = pollResult(e, p.Events); p.Revents != 0 {
				n++
			}
		}
		return n
	}
	if n := look(); n > 0 || timeout == 0 {
		return n, 0
	}
	w := NewWait(timeout)
	defer w.Done()
	for _, p := range fds {
		if p.FD >= 0 {
			if d := k.files.get(int(p.FD)); d != nil {
				w.Add(d.File.Queue(), pollMask(p.Events))
			}
		}
	}
	for {
		if n := look(); n > 0 || !w.Block() {
			return n, 0
		}
	}
}

// Select is select(2). The sets are bitmaps of n descriptors, or nil; they are
// replaced by the results. A negative timeout is none.
func (k *Kernel) Select(n int, read, write, except []uint64, timeout time.Duration) (int, Errno) {
	const (
		readEvents   = EventIn | EventHup | EventErr
		writeEvents  = EventOut | EventErr
		exceptEvents = EventPri
	)
	sets := []struct {
		bits []uint64
		mask Events
		hits []uint64
	}{{bits: read, mask: readEvents}, {bits: write, mask: writeEvents}, {bits: except, mask: exceptEvents}}
	has := func(bits []uint64, fd int) bool { return bits != nil && bits[fd/64]&(1<<(fd%64)) != 0 }
	for fd := range n {
		for _, s := range sets {
			if has(s.bits, fd) && k.files.get(fd) == nil {
				return -1, syscall.EBADF
			}
		}
	}
	look := func() (total int) {
		for i := range sets {
			s := &sets[i]
			s.hits = make([]uint64, len(s.bits))
			for fd := range n {
				if !has(s.bits, fd) {
					continue
				}
				if e := k.pollOne(fd, s.mask); e&(s.mask|pollInvalid) != 0 {
					s.hits[fd/64] |= 1 << (fd % 64)
					total++
				}
			}
		}
		return total
	}
	store := func(total int) (int, Errno) {
		for _, s := range sets {
			copy(s.bits, s.hits)
		}
		return total, 0
	}
	if total := look(); total > 0 || timeout == 0 {
		return store(total)
	}
	w := NewWait(timeout)
	defer w.Done()
	for fd := range n {
		for _, s := range sets {
			if d := k.files.get(fd); d != nil && has(s.bits, fd) {
				w.Add(d.File.Queue(), s.mask)
			}
		}
	}
	for {
		if total := look(); total > 0 || !w.Block() {
			return store(total)
		}
	}
}
