package volume

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"ringo.dev/ringo/kernel"
	"ringo.dev/ringo/kernel/block"
	"ringo.dev/ringo/kernel/pagecache"
)

// The benchmarks use a volume in a file, in a directory that -benchdir names or a
// temporary one, and for comparison the host's file system there.

// fileDisk is a file as a disk.
type fileDisk struct {
	*os.File
	size int64
}

var _ block.Device = fileDisk{}

func (d fileDisk) Size() int64     { return d.size }
func (d fileDisk) SectorSize() int { return 512 }
func (d fileDisk) ReadOnly() bool  { return false }
func (d fileDisk) Flush() error    { return syscall.Fdatasync(int(d.Fd())) }

func (d fileDisk) ReadAt(p []byte, off int64) error {
	_, err := d.File.ReadAt(p, off)
	return err
}

func (d fileDisk) WriteAt(p []byte, off int64) error {
	_, err := d.File.WriteAt(p, off)
	return err
}

func (d fileDisk) Discard(off, n int64) error      { return nil }
func (d fileDisk) Zero(off, n int64, _ bool) error { return errors.ErrUnsupported }

func mountFile(b *testing.B, size int64) *mounted {
	f, err := os.Create(filepath.Join(b.TempDir(), "disk"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { f.Close() })
	if err := f.Truncate(size); err != nil {
		b.Fatal(err)
	}
	d := fileDisk{f, size}
	if err := Format(d, [16]byte{1}); err != nil {
		b.Fatal(err)
	}
	v := open(b, d)
	m := &mounted{b, v, v.Files(pagecache.New(64 << 20))}
	b.Cleanup(m.unmount)
	return m
}

const benchFile = 64 << 20

// BenchmarkSynced overwrites blocks of a file, with an fsync each.
func BenchmarkSynced(b *testing.B) {
	block := pattern(BlockSize, 1)
	b.Run("volume", func(b *testing.B) {
		m := mountFile(b, 1<<30)
		f, _ := m.create("file")
		writeAll(f, make([]byte, benchFile), 0)
		m.fs.Sync()
		for b.Loop() {
			writeAll(f, block, rand.Int64N(benchFile/BlockSize)*BlockSize)
			if err := f.(kernel.Syncer).Sync(); err != 0 {
				b.Fatal(err)
			}
		}
		f.Close()
	})
	b.Run("host", func(b *testing.B) {
		f, _ := os.Create(filepath.Join(b.TempDir(), "file"))
		f.Write(make([]byte, benchFile))
		f.Sync()
		for b.Loop() {
			f.WriteAt(block, rand.Int64N(benchFile/BlockSize)*BlockSize)
			syscall.Fdatasync(int(f.Fd()))
		}
		f.Close()
	})
}

// BenchmarkAppend appends to a file, with an fsync each time.
func BenchmarkAppend(b *testing.B) {
	block := pattern(200, 1)
	b.Run("volume", func(b *testing.B) {
		m := mountFile(b, 1<<30)
		f, _ := m.create("file")
		for off := int64(0); b.Loop(); off += int64(len(block)) {
			writeAll(f, block, off)
			if err := f.(kernel.Syncer).Sync(); err != 0 {
				b.Fatal(err)
			}
		}
		f.Close()
	})
	b.Run("host", func(b *testing.B) {
		f, _ := os.Create(filepath.Join(b.TempDir(), "file"))
		for b.Loop() {
			f.Write(block)
			f.Sync()
		}
		f.Close()
	})
}

// BenchmarkSequential writes a large file and syncs, or reads it without the page cache.
func BenchmarkSequential(b *testing.B) {
	data := pattern(1<<20, 1)
	b.Run("write/volume", func(b *testing.B) {
		m := mountFile(b, 1<<30)
		f, _ := m.create("file")
		b.SetBytes(benchFile)
		for b.Loop() {
			for off := int64(0); off < benchFile; off += 1 << 20 {
				if err := writeAll(f, data, off); err != 0 {
					b.Fatal(err)
				}
			}
			f.(kernel.Syncer).Sync()
		}
		f.Close()
	})
	b.Run("write/host", func(b *testing.B) {
		f, _ := os.Create(filepath.Join(b.TempDir(), "file"))
		b.SetBytes(benchFile)
		for b.Loop() {
			for off := int64(0); off < benchFile; off += 1 << 20 {
				f.WriteAt(data, off)
			}
			f.Sync()
		}
		f.Close()
	})
	b.Run("read/volume", func(b *testing.B) {
		m := mountFile(b, 1<<30)
		f, _ := m.create("file")
		for off := int64(0); off < benchFile; off += 1 << 20 {
			writeAll(f, data, off)
		}
		m.fs.Sync()
		node, _ := m.root().Lookup("file")
		ino := node.(regular).ino
		b.SetBytes(benchFile)
		buf := make([]byte, 256<<10)
		for b.Loop() {
			for off := uint64(0); off < benchFile; off += uint64(len(buf)) {
				if err := m.fs.read(ino, off/BlockSize, buf); err != nil {
					b.Fatal(err)
				}
			}
		}
		f.Close()
	})
}

// BenchmarkNames makes, renames and removes a file.
func BenchmarkNames(b *testing.B) {
	b.Run("volume", func(b *testing.B) {
		m := mountFile(b, 1<<30)
		for i := 0; b.Loop(); i++ {
			name := fmt.Sprint("file", i)
			f, err := m.create(name)
			if err != 0 {
				b.Fatal(err)
			}
			f.Close()
			m.root().Rename(name, m.root(), name+"x", 0)
			m.root().Unlink(name + "x")
		}
	})
	b.Run("host", func(b *testing.B) {
		dir := b.TempDir()
		for i := 0; b.Loop(); i++ {
			name := filepath.Join(dir, fmt.Sprint("file", i))
			f, _ := os.Create(name)
			f.Close()
			os.Rename(name, name+"x")
			os.Remove(name + "x")
		}
	})
}
