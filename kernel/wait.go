package kernel

import (
	"syscall"
	"time"
)

// Wait is one blocked call's place in the queues of the files for which it
// waits. The protocol is
//
//	w := NewWait(0)
//	defer w.Done()
//	w.Add(f.Queue(), EventIn)
//	for {
//		n, err := f.Read(p)
//		if err != syscall.EAGAIN || !w.Block() {
//			return n, err
//		}
//	}
//
// so that no event between the attempt and the blocking is lost.
type Wait struct {
	wake   chan struct{}
	timer  *time.Timer
	places []*queuePlace
}

type queuePlace struct {
	waiter Waiter
	queue  *Queue
}

// NewWait returns a Wait that ends after a timeout, or with a timeout of 0 or
// less never.
func NewWait(timeout time.Duration) *Wait {
	w := &Wait{wake: make(chan struct{}, 1)}
	if timeout > 0 {
		w.timer = time.NewTimer(timeout)
	}
	return w
}

// Add enters a queue; nil is that of a file which is always ready.
func (w *Wait) Add(q *Queue, mask Events) {
	if q == nil {
		return
	}
	p := &queuePlace{queue: q}
	p.waiter.Mask = mask
	p.waiter.Notify = func(Events) {
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
	w.places = append(w.places, p)
	q.Add(&p.waiter)
}

// Block waits until an event occurred since the last Block (or Add), and
// reports whether one did before the timeout.
func (w *Wait) Block() bool {
	if w.timer == nil {
		<-w.wake
		return true
	}
	select {
	case <-w.wake:
		return true
	case <-w.timer.C:
		return false
	}
}

// Done leaves the queues.
func (w *Wait) Done() {
	for _, p := range w.places {
		p.queue.Remove(&p.waiter)
	}
	if w.timer != nil {
		w.timer.Stop()
	}
}

// retry runs op, which just answered EAGAIN, again at each of the events on q
// until it answers something else. EAGAIN then means that the timeout passed.
func retry(q *Queue, mask Events, timeout time.Duration, op func() (int, Errno)) (int, Errno) {
	if q == nil {
		return 0, syscall.EAGAIN
	}
	w := NewWait(timeout)
	defer w.Done()
	w.Add(q, mask)
	for {
		n, err := op()
		if err != syscall.EAGAIN || !w.Block() {
			return n, err
		}
	}
}
