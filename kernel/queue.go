package kernel

import "sync"

// Waiter is one party interested in a file's events.
type Waiter struct {
	// Mask holds the events of interest; EventErr and EventHup always count.
	Mask Events
	// Notify is called with the events that occurred, with the queue's lock and
	// perhaps the locks of a network stack held: it may only record or enqueue.
	Notify func(Events)

	next, prev *Waiter
	queued     bool
}

// Queue is the set of parties that wait for events of one file. The zero value
// is ready for use.
type Queue struct {
	mu    sync.Mutex
	first *Waiter
}

// Add enters w. The caller looks at the file's Ready afterwards: what happened
// before Add is not reported.
func (q *Queue) Add(w *Waiter) {
	q.mu.Lock()
	if !w.queued {
		w.next, w.prev, w.queued = q.first, nil, true
		if q.first != nil {
			q.first.prev = w
		}
		q.first = w
	}
	q.mu.Unlock()
}

// Remove takes w out. When it returns, Notify does not run and will not.
func (q *Queue) Remove(w *Waiter) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !w.queued {
		return
	}
	if w.prev != nil {
		w.prev.next = w.next
	} else {
		q.first = w.next
	}
	if w.next != nil {
		w.next.prev = w.prev
	}
	w.next, w.prev, w.queued = nil, nil, false
}

// Notify tells the waiters that events occurred.
func (q *Queue) Notify(events Events) {
	q.mu.Lock()
	for w := q.first; w != nil; w = w.next {
		if e := events & (w.Mask | EventErr | EventHup); e != 0 {
			w.Notify(e)
		}
	}
	q.mu.Unlock() // not deferred: this comes with each packet
}
