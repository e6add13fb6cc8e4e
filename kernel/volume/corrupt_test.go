package volume

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"ringo.dev/ringo/kernel"
	"ringo.dev/ringo/kernel/block"
	"ringo.dev/ringo/kernel/block/blocktest"
	"ringo.dev/ringo/kernel/pagecache"
)

// TestFlips flips a bit of every block that was written, one at a time. Nothing
// that is read then is wrong: it is right, or an error.
func TestFlips(t *testing.T) {
	disk := format(t, 2<<20)
	m := mount(t, disk)
	want := map[string][]byte{}
	for i := range 20 {
		name := fmt.Sprint("file", i)
		f, err := m.create(name)
		if err != 0 {
			t.Fatal(err)
		}
		want[name] = pattern(1+i*3000, uint64(i))
		writeAll(f, want[name], 0)
		f.Close()
	}
	if err := m.root().Unlink("file3"); err != 0 {
		t.Fatal(err)
	}
	delete(want, "file3")
	if err := m.v.CreateSnapshot("snap"); err != nil {
		t.Fatal(err)
	}
	m.unmount()
	used := 0
	r := rand.New(rand.NewPCG(1, 1))
	for b := range disk.Size() / BlockSize {
		bad := disk.Clone()
		block := make([]byte, BlockSize)
		bad.ReadAt(block, b*BlockSize)
		block[r.IntN(BlockSize)] ^= 1 << r.IntN(8)
		bad.WriteAt(block, b*BlockSize)
		found := 0
		_, err := Check(bad, func(error) { found++ })
		v, openErr := Open(bad, Options{})
		if (err == nil) != (openErr == nil) {
			t.Fatal(err, openErr)
		}
		if openErr != nil {
			used++
			continue
		}
		wrong := 0
		w := &mounted{t, v, v.Files(pagecache.New(1 << 20))}
		for name, data := range want {
			got, err := w.read(name)
			if err != 0 {
				wrong++
				if err != syscall.EIO {
					t.Fatal(err)
				}
			} else if !bytes.Equal(got, data) {
				t.Fatalf("block %d: wrong data of %s without an error", b, name)
			}
		}
		if wrong > 0 && found == 0 {
			t.Errorf("block %d: %d files cannot be read, and Check finds nothing", b, wrong)
		}
		if wrong > 0 || found > 0 {
			used++
		}
	}
	if used < 150 {
		t.Errorf("only %d flips had consequences", used)
	}
}

// TestSuperblocks destroys superblocks. One is enough to find the last state, and those
// of one place have their copies at the other.
func TestSuperblocks(t *testing.T) {
	disk := format(t, 2<<20)
	v := open(t, disk)
	for i := range 5 {
		if _, err := v.create(RootInode, fmt.Sprint(i), syscall.S_IFREG|0o644, 0, ""); err != nil {
			t.Fatal(err)
		}
		if err := v.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	last := v.super.generation
	end := v.super.blocks
	state := load(t, v, &v.files).digest()
	for _, blocks := range [][]uint64{{0}, {1}, {end - 2}, {end - 1}, {0, 1}, {end - 2, end - 1}} {
		bad := disk.Clone()
		for _, b := range blocks {
			bad.WriteAt(bytes.Repeat([]byte{0xaa}, BlockSize), int64(b)*BlockSize)
		}
		w := open(t, bad)
		if got := load(t, w, &w.files).digest(); w.super.generation != last || got != state {
			t.Errorf("without the superblocks %v: generation %d of %d\n%s", blocks, w.super.generation, last, got)
		}
	}
}

// FuzzOpen opens volumes that were changed where the fuzzer says, with checksums that
// are right. Whatever they hold, nothing panics or does not end.
func FuzzOpen(f *testing.F) {
	disk := someVolume(f)
	c := newCorruptible(f, disk)
	checkClean(f, c.corrupt(nil))
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7})
	f.Fuzz(func(t *testing.T, data []byte) { exercise(c.corrupt(data)) })
}

// TestCorrupt is FuzzOpen with random changes.
func TestCorrupt(t *testing.T) {
	c := newCorruptible(t, someVolume(t))
	r := rand.New(rand.NewPCG(5, 5))
	for range 600 {
		data := make([]byte, 4*(1+r.IntN(4)))
		for i := range data {
			data[i] = byte(r.Uint32())
		}
		if r.IntN(2) == 0 {
			data[1] = 255
		}
		start := time.Now()
		exercise(c.corrupt(data))
		if d := time.Since(start); d > 20*time.Second {
			t.Errorf("%v for %v", d, data)
		}
	}
}

// someVolume returns a disk with a volume that has a bit of everything.
func someVolume(t testing.TB) *blocktest.Disk {
	disk := format(t, 1<<20)
	v := open(t, disk)
	d := newDriver(t, rand.New(rand.NewPCG(1, 1)), v)
	for range 150 {
		d.step()
	}
	if err := v.CreateSnapshot("s"); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		d.step()
	}
	if err := v.Sync(); err != nil {
		t.Fatal(err)
	}
	return disk
}

// corruptible are the blocks of a volume that have a structure, and how their
// checksums depend on each other.
type corruptible struct {
	disk   *blocktest.Disk
	super  superblock
	blocks []structured
}

// structured is a block whose checksum, or that of a part of it, is in another one.
type structured struct {
	addr   uint64
	parent int // index of the block with the checksum; -1: the superblock
	offset int // of the checksum in that
}

// newCorruptible finds the trees' nodes and the log's first record.
func newCorruptible(t testing.TB, disk *blocktest.Disk) *corruptible {
	c := &corruptible{disk: disk}
	var err error
	if c.super, err = readSuper(disk); err != nil {
		t.Fatal(err)
	}
	v := newVolume(disk, c.super)
	var walk func(tr *tree, r treeRoot, parent, offset int)
	walk = func(tr *tree, r treeRoot, parent, offset int) {
		n, err := tr.load(r.pointer, r.level)
		if err != nil {
			t.Fatal(err)
		}
		c.blocks = append(c.blocks, structured{r.addr, parent, offset})
		self := len(c.blocks) - 1
		for i := 0; r.level > 0 && i < n.count(); i++ {
			walk(tr, treeRoot{n.child(i), r.level - 1}, self, int(get16(n.slot(i)[16:]))+16)
		}
	}
	const filesSum, metaSum, spaceSum = 64 + 16, 64 + 24 + 16, 64 + 2*24 + 8
	walk(&v.files, c.super.files, -1, filesSum)
	walk(&v.meta, c.super.meta, -1, metaSum)
	c.blocks = append(c.blocks, structured{v.space.place(0, 0, c.super.space.place), -1, spaceSum})
	return c
}

// corrupt returns a volume in which bytes were changed as data says.
func (c *corruptible) corrupt(data []byte) *blocktest.Disk {
	d := c.disk.Clone()
	super := c.super.encode()
	for ; len(data) >= 4; data = data[4:] {
		i := int(data[0]) % (len(c.blocks) + 2)
		off := (int(data[1]) | int(data[2])<<8) % BlockSize
		switch {
		case i == len(c.blocks):
			super[off%256] = data[3]
		case i == len(c.blocks)+1: // the log
			b := make([]byte, BlockSize)
			d.ReadAt(b, int64(c.super.logStart)*BlockSize)
			b[off] = data[3]
			put32(b[8:], checksum(b[12:min(max(get32(b[12:]), 12), BlockSize)]))
			d.WriteAt(b, int64(c.super.logStart)*BlockSize)
		default:
			b := make([]byte, BlockSize)
			d.ReadAt(b, int64(c.blocks[i].addr)*BlockSize)
			if data[1] == 255 {
				off = nodeHead + int(data[2])%200 // where the slots are
			}
			b[off] = data[3]
			for at := i; ; {
				d.WriteAt(b, int64(c.blocks[at].addr)*BlockSize)
				s := c.blocks[at]
				sum := checksum(b)
				if s.parent < 0 {
					put32(super[s.offset:], sum)
					break
				}
				d.ReadAt(b, int64(c.blocks[s.parent].addr)*BlockSize)
				put32(b[s.offset:], sum)
				at = s.parent
			}
		}
	}
	put32(super[superSum:], 0)
	put32(super[superSum:], checksum(super))
	for _, at := range superPlaces(c.super.generation, c.super.blocks) {
		d.WriteAt(super, int64(at)*BlockSize)
	}
	return d
}

// exercise does a bit of everything with a volume that may be damaged.
func exercise(d block.Device) {
	Check(d, func(error) {})
	v, err := Open(d, Options{})
	if err != nil {
		return
	}
	fs := v.Files(pagecache.New(64 << 10))
	root := fs.Root()
	var names []string
	root.ReadDir(0, func(e kernel.DirEntry) bool {
		names = append(names, e.Name)
		return len(names) < 100
	})
	for _, name := range names {
		node, err := root.Lookup(name)
		if err != 0 {
			continue
		}
		var st syscall.Stat_t
		node.Stat(&st)
		switch n := node.(type) {
		case regular:
			if f, err := n.Open(0); err == 0 {
				f.(kernel.ReaderAt).ReadAt(make([]byte, 10000), 0)
				f.(kernel.WriterAt).WriteAt(make([]byte, 10000), 5000)
				f.Close()
			}
		case symlink:
			n.Readlink()
		case directory:
			n.Parent()
			n.ReadDir(0, func(kernel.DirEntry) bool { return true })
		}
		if a, ok := node.(kernel.Attributed); ok {
			a.ListXattr()
			a.Xattr("user.1")
		}
	}
	for i, name := range names {
		if i%2 == 0 {
			root.Unlink(name)
			root.Rmdir(name)
		} else {
			root.Rename(name, root, name+"y", 0)
		}
	}
	fs.Sync()
	v.RemoveSnapshot("s")
	v.Close()
}
