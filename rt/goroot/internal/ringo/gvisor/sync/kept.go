//go:build ringo

package sync

import "sync/atomic"

// keptMost is how many things a Kept keeps for itself.
const keptMost = 64

// Kept is a Pool that keeps some things for itself, whatever the garbage collector does:
// to take one of these and to give it back takes few instructions and no call. A
// processor that finds another one at it goes to the Pool.
type Kept[T any] struct {
	New func() *T

	busy atomic.Uint32
	n    int
	few  [keptMost]*T // n of them; guarded by busy
	rest Pool
}

// Get returns a thing that was put there, or a new one.
func (k *Kept[T]) Get() *T {
	if k.busy.CompareAndSwap(0, 1) {
		if k.n > 0 {
			k.n--
			x := k.few[k.n%keptMost]
			k.busy.Store(0)
			return x
		}
		k.busy.Store(0)
	}
	return k.getElsewhere()
}

func (k *Kept[T]) getElsewhere() *T {
	if x, ok := k.rest.Get().(*T); ok {
		return x
	}
	return k.New()
}

// Put gives a thing back.
func (k *Kept[T]) Put(x *T) {
	if k.busy.CompareAndSwap(0, 1) {
		if k.n < keptMost {
			k.few[k.n] = x
			k.n++
			k.busy.Store(0)
			return
		}
		k.busy.Store(0)
	}
	k.rest.Put(x)
}
