package fuse

import (
	"syscall"

	"ringo.dev/ringo/kernel"
	"ringo.dev/ringo/kernel/fuse/wire"
)

// regular is a regular file.
type regular struct{ inode }

// file is an open regular file. Its inode's methods are about the file's object,
// which need not have a name any more.
type file struct {
	*regular
	number uint64
	flags  int
}

var (
	_ kernel.Content    = (*file)(nil)
	_ kernel.DataSeeker = (*file)(nil)
	_ kernel.Allocater  = (*file)(nil)
)

// freshFile is a file that was just created, as the other side opened it: the
// kernel asks to open it next.
type freshFile struct {
	regular *regular
	number  uint64
}

// keepFresh remembers a file that was just created, and closes the one before if
// nobody came to open it.
func (fs *FS) keepFresh(f *regular, number uint64) {
	fs.mu.Lock()
	before := fs.fresh
	fs.fresh = freshFile{f, number}
	fs.mu.Unlock()
	if before.regular != nil {
		before.regular.release(wire.OpRelease, before.number, syscall.O_RDWR)
	}
}

// takeFresh returns what keepFresh has remembered for f.
func (fs *FS) takeFresh(f *regular) (number uint64, ok bool) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.fresh.regular != f {
		return 0, false
	}
	number = fs.fresh.number
	fs.fresh = freshFile{}
	return number, true
}

// Open implements kernel.Regular.
func (f *regular) Open(flags int) (kernel.File, kernel.Errno) {
	const matter = syscall.O_ACCMODE | syscall.O_APPEND | syscall.O_SYNC | syscall.O_DSYNC
	o := &file{regular: f, flags: flags & matter}
	if o.flags&^syscall.O_ACCMODE == 0 {
		if number, ok := f.fs.takeFresh(f); ok {
			o.number = number
			return kernel.NewRegularFile(o, flags), 0
		}
	}
	in := wire.OpenIn{Flags: uint32(o.flags)}
	var out wire.OpenOut
	if _, err := f.fs.call(wire.OpOpen, f.inode.number, wire.BytesOf(&in), nil, wire.BytesOf(&out), nil); err != 0 {
		return nil, err
	}
	o.number = out.File
	return kernel.NewRegularFile(o, flags), 0
}

// Release implements kernel.Content.
func (o *file) Release() { o.release(wire.OpRelease, o.number, o.flags) }

// SetAttr implements kernel.Inode: a file that is open for writing can be
// truncated whatever its mode.
func (o *file) SetAttr(a *kernel.Attr) kernel.Errno { return o.setAttr(a, &o.number) }

// ReadAt implements kernel.Content.
func (o *file) ReadAt(p []byte, off int64) (done int, err kernel.Errno) {
	for done < len(p) {
		part := p[done:min(len(p), done+maxTransfer)]
		in := wire.TransferIn{File: o.number, Offset: uint64(off) + uint64(done), Size: uint32(len(part)), Flags: uint32(o.flags)}
		n, err := o.fs.call(wire.OpRead, o.inode.number, wire.BytesOf(&in), nil, nil, part)
		done += n
		if err != 0 && done == 0 {
			return 0, err
		}
		if err != 0 || n < len(part) {
			break
		}
	}
	return done, 0
}

// WriteAt implements kernel.Content.
func (o *file) WriteAt(p []byte, off int64) (done int, err kernel.Errno) {
	for done < len(p) {
		part := p[done:min(len(p), done+o.fs.maxWrite)]
		in := wire.TransferIn{File: o.number, Offset: uint64(off) + uint64(done), Size: uint32(len(part)), Flags: uint32(o.flags)}
		var out wire.WriteOut
		_, err := o.fs.call(wire.OpWrite, o.inode.number, wire.BytesOf(&in), part, wire.BytesOf(&out), nil)
		if err == 0 && out.Size > uint32(len(part)) {
			err = syscall.EIO
		}
		if err != 0 {
			if done > 0 {
				err = 0
			}
			return done, err
		}
		done += int(out.Size)
		if int(out.Size) < len(part) {
			break
		}
	}
	return done, 0
}

// Append implements kernel.Content. If the file was opened with O_APPEND, the
// other side does it in one step for each maxWrite bytes, whoever else appends.
func (o *file) Append(p []byte) (off int64, n int, err kernel.Errno) {
	end, err := o.size()
	if err != 0 {
		return 0, 0, err
	}
	n, err = o.WriteAt(p, end)
	if o.flags&syscall.O_APPEND == 0 || err != 0 {
		return end, n, err
	}
	if after, err := o.size(); err == 0 {
		end = after - int64(n)
	}
	return end, n, 0
}

func (o *file) size() (int64, kernel.Errno) {
	var st syscall.Stat_t
	err := o.Stat(&st)
	return st.Size, err
}

// Sync implements kernel.Content.
func (o *file) Sync() kernel.Errno {
	in := wire.FsyncIn{File: o.number}
	_, err := o.fs.call(wire.OpFsync, o.inode.number, wire.BytesOf(&in), nil, nil, nil)
	return err
}

// Allocate implements kernel.Allocater.
func (o *file) Allocate(mode int, off, n int64) kernel.Errno {
	in := wire.FallocateIn{File: o.number, Offset: uint64(off), Length: uint64(n), Mode: uint32(mode)}
	_, err := o.fs.call(wire.OpFallocate, o.inode.number, wire.BytesOf(&in), nil, nil, nil)
	return err
}

// SeekData implements kernel.DataSeeker.
func (o *file) SeekData(off int64, hole bool) (int64, kernel.Errno) {
	const seekData, seekHole = 3, 4
	in := wire.LseekIn{File: o.number, Offset: uint64(off), Whence: seekData}
	if hole {
		in.Whence = seekHole
	}
	var out wire.LseekOut
	if _, err := o.fs.call(wire.OpLseek, o.inode.number, wire.BytesOf(&in), nil, wire.BytesOf(&out), nil); err != 0 {
		return 0, err
	}
	if int64(out.Offset) < off {
		return 0, syscall.EIO
	}
	return int64(out.Offset), 0
}
