package kernel

import "syscall"

// flocks are the holders of an inode's lock of flock(2): some descriptions that share it,
// or one that has it alone.
type flocks struct {
	holders   map[*Description]struct{}
	exclusive bool
}

func (l flocks) none() bool { return len(l.holders) == 0 }

// Flock is flock(2).
func (k *Kernel) Flock(fd, how int) Errno {
	d, err := k.file(fd)
	if err != 0 {
		return err
	}
	node := d.origin.Node
	if node == nil || d.Flags()&oPath != 0 {
		return syscall.EBADF
	}
	switch how &^ syscall.LOCK_NB {
	case syscall.LOCK_UN:
		k.dropFlock(d)
		return 0
	case syscall.LOCK_SH, syscall.LOCK_EX:
	default:
		return syscall.EINVAL
	}
	return k.flocks.take(node, how&syscall.LOCK_NB == 0, func(l *flocks) (ok, gives bool) {
		return l.take(d, how&syscall.LOCK_EX != 0)
	})
}

// take takes the lock for d if nobody is in the way. A lock that d has already is
// converted; gives says that it became a weaker one.
func (l *flocks) take(d *Description, exclusive bool) (ok, gives bool) {
	_, holds := l.holders[d]
	others := len(l.holders)
	if holds {
		others--
	}
	if others > 0 && (exclusive || l.exclusive) {
		return false, false
	}
	if l.holders == nil {
		l.holders = map[*Description]struct{}{}
	}
	l.holders[d] = struct{}{}
	gives = holds && l.exclusive && !exclusive
	l.exclusive = exclusive
	return true, gives
}

// dropFlock gives up the lock of d, if it has one.
func (k *Kernel) dropFlock(d *Description) {
	if d.origin.Node == nil {
		return
	}
	k.flocks.give(d.origin.Node, func(l *flocks) {
		if delete(l.holders, d); l.none() {
			l.exclusive = false
		}
	})
}
