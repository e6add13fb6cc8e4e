package kernel

import (
	"cmp"
	"math"
	"slices"
	"sync/atomic"
	"syscall"
)

// Commands of fcntl(2) for locks of open file descriptions.
const (
	fOFDGetLock  = 36
	fOFDSetLock  = 37
	fOFDSetLockW = 38
)

// recordTable holds the locks of fcntl(2): ranges of files.
type recordTable struct {
	lockTable[records]
	active atomic.Int32 // locks; while there are none, closing a file costs nothing
}

// records are the locks of one file, in the order of their first bytes.
type records []record

func (l records) none() bool { return len(l) == 0 }

// record is a lock. Its owner is the description that took it, or nil for the
// process (F_SETLK), which is the only one.
type record struct {
	owner      *Description
	start, end int64 // end is the last byte
	write      bool
}

// conflicts reports whether two locks cannot be held together.
func (r *record) conflicts(other *record) bool {
	return r.owner != other.owner && (r.write || other.write) && r.start <= other.end && other.start <= r.end
}

// IsRecordLock reports whether an fcntl command takes a struct flock.
func IsRecordLock(cmd int) bool {
	switch cmd {
	case syscall.F_GETLK, syscall.F_SETLK, syscall.F_SETLKW, fOFDGetLock, fOFDSetLock, fOFDSetLockW:
		return true
	}
	return false
}

// RecordLock is fcntl(2) with a command for locks.
func (k *Kernel) RecordLock(fd, cmd int, l *syscall.Flock_t) Errno {
	d, err := k.file(fd)
	if err != 0 {
		return err
	}
	node := d.origin.Node
	get := cmd == syscall.F_GETLK || cmd == fOFDGetLock
	want := record{write: l.Type == syscall.F_WRLCK}
	if cmd >= fOFDGetLock {
		want.owner = d
		if l.Pid != 0 {
			return syscall.EINVAL
		}
	}
	switch {
	case node == nil || d.Flags()&oPath != 0:
		return syscall.EBADF
	case l.Type != syscall.F_RDLCK && l.Type != syscall.F_WRLCK && (l.Type != syscall.F_UNLCK || get):
		return syscall.EINVAL
	case !get && (l.Type == syscall.F_RDLCK && !d.readable() || l.Type == syscall.F_WRLCK && !d.writable()):
		return syscall.EBADF
	}
	if want.start, want.end, err = k.recordRange(fd, d, l); err != 0 {
		return err
	}
	t := &k.records
	if get {
		t.query(node, &want, l)
		return 0
	}
	if l.Type == syscall.F_UNLCK {
		t.unlock(node, want)
		return 0
	}
	wait := cmd != syscall.F_SETLK && cmd != fOFDSetLock
	return t.take(node, wait, func(l *records) (ok, gives bool) { return t.try(l, want) })
}

// recordRange returns the bytes that l names.
func (k *Kernel) recordRange(fd int, d *Description, l *syscall.Flock_t) (start, end int64, err Errno) {
	base := int64(0)
	switch l.Whence {
	case 0:
	case 1:
		if base, err = k.Seek(fd, 0, 1); err != 0 {
			return 0, 0, err
		}
	case 2:
		var st syscall.Stat_t
		if err := d.stat(&st); err != 0 {
			return 0, 0, err
		}
		base = st.Size
	default:
		return 0, 0, syscall.EINVAL
	}
	if l.Start > 0 && base > math.MaxInt64-l.Start {
		return 0, 0, syscall.EOVERFLOW
	}
	start = base + l.Start
	switch {
	case l.Len == 0:
		end = math.MaxInt64
	case l.Len > 0:
		if start > math.MaxInt64-(l.Len-1) {
			return 0, 0, syscall.EOVERFLOW
		}
		end = start + l.Len - 1
	default:
		start, end = start+l.Len, start-1
	}
	if start < 0 {
		return 0, 0, syscall.EINVAL
	}
	return start, end, 0
}

// query answers F_GETLK in l: a lock that is in the way of want, or F_UNLCK.
func (t *recordTable) query(node Inode, want *record, l *syscall.Flock_t) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if f := t.files[node]; f != nil {
		for _, have := range f.held {
			if !have.conflicts(want) {
				continue
			}
			*l = syscall.Flock_t{Type: syscall.F_RDLCK, Start: have.start, Len: have.end - have.start + 1, Pid: 1}
			if have.write {
				l.Type = syscall.F_WRLCK
			}
			if have.end == math.MaxInt64 {
				l.Len = 0
			}
			if have.owner != nil {
				l.Pid = -1
			}
			return
		}
	}
	l.Type = syscall.F_UNLCK
}

// try takes a lock if nobody is in the way. It replaces what its owner has there, which may
// have been a stronger one.
func (t *recordTable) try(l *records, want record) (ok, gives bool) {
	if slices.ContainsFunc(*l, func(have record) bool { return have.conflicts(&want) }) {
		return false, false
	}
	t.change(l, want.owner, want.start, want.end, &want)
	return true, !want.write
}

// unlock gives up the owner's locks in a range.
func (t *recordTable) unlock(node Inode, what record) {
	t.give(node, func(l *records) { t.change(l, what.owner, what.start, what.end, nil) })
}

// change takes the owner's locks out of a range and puts with there, if it is not
// nil. t.mu is held.
func (t *recordTable) change(l *records, owner *Description, start, end int64, with *record) {
	var locks records
	for _, have := range *l {
		if with != nil && have.owner == owner && have.write == with.write && have.start-1 <= end && start-1 <= have.end {
			with.start, with.end = min(with.start, have.start), max(with.end, have.end) // they become one
			continue
		}
		if have.owner != owner || have.end < start || have.start > end {
			locks = append(locks, have)
			continue
		}
		if have.start < start {
			locks = append(locks, record{owner, have.start, start - 1, have.write})
		}
		if have.end > end {
			locks = append(locks, record{owner, end + 1, have.end, have.write})
		}
	}
	if with != nil {
		locks = append(locks, *with)
	}
	// F_GETLK tells of the first one.
	slices.SortFunc(locks, func(a, b record) int { return cmp.Compare(a.start, b.start) })
	t.active.Add(int32(len(locks) - len(*l)))
	*l = locks
}

// closed is called when a descriptor is closed: the process loses all its locks of
// the file, whichever descriptor it took them by, and with the last descriptor of
// d go those of d.
func (t *recordTable) closed(d *Description, last bool) {
	if t.active.Load() == 0 || d.origin.Node == nil {
		return
	}
	t.unlock(d.origin.Node, record{nil, 0, math.MaxInt64, false})
	if last {
		t.unlock(d.origin.Node, record{d, 0, math.MaxInt64, false})
	}
}
