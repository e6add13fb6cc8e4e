package pagecache

import (
	"sync"
	"time"
)

// Volume is a file system to the cache: it knows the Files that have dirty pages,
// and writes them after some time.
type Volume struct {
	cache *Cache
	fs    Committer

	syncing sync.Mutex // held during Sync

	mu      sync.Mutex
	dirty   map[*File]struct{} // may have something to write
	changed bool               // since the last Commit
	ticking bool               // a flusher is under way
	closed  bool
}

// writeAfter is how long a change may stay in memory.
const writeAfter = 5 * time.Second

// NewVolume returns a Volume for the files of fs.
func (c *Cache) NewVolume(fs Committer) *Volume {
	v := &Volume{cache: c, fs: fs, dirty: map[*File]struct{}{}}
	c.mu.Lock()
	c.volumes[v] = struct{}{}
	c.mu.Unlock()
	return v
}

// Changed notes that there is something to commit, such as a new name. A few
// seconds later Commit is called. Files call it themselves.
func (v *Volume) Changed() { v.note(nil) }

// note is Changed, for the data of f if it is not nil; then f.mu is held.
func (v *Volume) note(f *File) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.changed = true
	if f != nil {
		v.dirty[f] = struct{}{}
	}
	if !v.ticking && !v.closed {
		v.ticking = true
		time.AfterFunc(writeAfter, v.tick)
	}
}

// tick writes what has changed. While there are changes it is called again.
func (v *Volume) tick() {
	v.Sync() // errors are kept for those who wrote
	v.mu.Lock()
	again := !v.closed && (v.changed || len(v.dirty) > 0)
	v.ticking = again
	v.mu.Unlock()
	if again {
		time.AfterFunc(writeAfter, v.tick)
	}
}

// Sync makes all changes durable.
func (v *Volume) Sync() Errno {
	v.syncing.Lock()
	defer v.syncing.Unlock()
	v.mu.Lock()
	changed := v.changed || len(v.dirty) > 0
	v.changed = false
	v.mu.Unlock()
	if !changed {
		return 0
	}
	err := v.writeAll()
	if e := v.fs.Commit(); e != 0 {
		v.mu.Lock()
		v.changed = true
		v.mu.Unlock()
		if err == 0 {
			err = e
		}
	}
	return err
}

// writeAll writes the dirty pages of all files. It returns the first error.
func (v *Volume) writeAll() (err Errno) {
	v.mu.Lock()
	files := make([]*File, 0, len(v.dirty))
	for f := range v.dirty {
		files = append(files, f)
	}
	v.mu.Unlock()
	for _, f := range files {
		if e := f.Flush(); err == 0 {
			err = e
		}
	}
	return err
}

// clean notes that f has nothing more to write. f.mu is held.
func (v *Volume) clean(f *File) {
	v.mu.Lock()
	delete(v.dirty, f)
	v.mu.Unlock()
}

// Close is Sync for the last time: the file system is unmounted.
func (v *Volume) Close() Errno {
	err := v.Sync()
	v.mu.Lock()
	v.closed = true
	v.mu.Unlock()
	v.cache.mu.Lock()
	delete(v.cache.volumes, v)
	v.cache.mu.Unlock()
	return err
}
