package volume

import (
	"bytes"
	"flag"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"sort"
	"syscall"
	"testing"

	"ringo.dev/ringo/kernel/block"
	"ringo.dev/ringo/kernel/block/blocktest"
)

// recorder is a disk that remembers what was written since each flush, so that a
// power cut can be played.
type recorder struct {
	*blocktest.Disk
	stable *blocktest.Disk // what a power cut leaves in any case
	cached []diskWrite
	moment func() // called before every write and flush
}

type diskWrite struct {
	off  int64
	data []byte
}

var _ block.Device = (*recorder)(nil)

func newRecorder(d *blocktest.Disk) *recorder {
	return &recorder{Disk: d, stable: d.Clone(), moment: func() {}}
}

func (r *recorder) WriteAt(p []byte, off int64) error {
	r.moment()
	r.cached = append(r.cached, diskWrite{off, bytes.Clone(p)})
	return r.Disk.WriteAt(p, off)
}

func (r *recorder) Discard(off, n int64) error {
	return r.WriteAt(bytes.Repeat([]byte{0xdd}, int(n)), off)
}

func (r *recorder) Flush() error {
	r.moment()
	for _, w := range r.cached {
		r.stable.WriteAt(w.data, w.off)
	}
	r.cached = nil
	return nil
}

// cut returns what a power cut now may leave: any of the sectors written since the
// last flush, and perhaps garbage in the blocks that were just being written.
func (r *recorder) cut(rnd *rand.Rand) *blocktest.Disk {
	const sector = 512
	d := r.stable.Clone()
	chance := rnd.IntN(5) // of 4, for a write to be there
	torn := rnd.IntN(3) == 0
	for _, i := range rnd.Perm(len(r.cached)) {
		w := r.cached[i]
		for at := 0; at < len(w.data); at += BlockSize {
			if rnd.IntN(4) >= chance {
				continue
			}
			b := w.data[at : at+BlockSize]
			for s := 0; s < BlockSize; s += sector {
				if !torn || rnd.IntN(2) == 0 {
					d.WriteAt(b[s:s+sector], w.off+int64(at+s))
				}
			}
		}
	}
	const atOnce = 4
	for _, w := range r.cached[max(0, len(r.cached)-rnd.IntN(1+atOnce)):] {
		d.WriteAt(bytes.Repeat([]byte{0xaa}, BlockSize), w.off+int64(rnd.IntN(len(w.data)/BlockSize)*BlockSize))
	}
	return d
}

// modelNode is an inode as it should be.
type modelNode struct {
	mode  uint32
	nlink int
	data  []byte
	names map[string]*modelNode
	attrs map[string]string
}

func (n *modelNode) dir() bool { return n.names != nil }

// digest describes everything in a line for each name.
func (n *modelNode) digest() string {
	var b bytes.Buffer
	seen := map[*modelNode]int{}
	var walk func(path string, n *modelNode)
	walk = func(path string, n *modelNode) {
		if !n.dir() {
			if seen[n] == 0 {
				seen[n] = len(seen) + 1
			}
			fmt.Fprintf(&b, "%s %o %d #%d %d %x", path, n.mode, n.nlink, seen[n], len(n.data), hash(n.data))
		} else {
			fmt.Fprintf(&b, "%s %o", path, n.mode)
		}
		for _, name := range sortedKeys(n.attrs) {
			fmt.Fprintf(&b, " %s=%x", name, hash([]byte(n.attrs[name])))
		}
		b.WriteByte('\n')
		for _, name := range sortedKeys(n.names) {
			walk(path+"/"+name, n.names[name])
		}
	}
	walk("", n)
	return b.String()
}

func hash(b []byte) uint64 {
	h := fnv.New64a()
	h.Write(b)
	return h.Sum64()
}

func sortedKeys[V any](m map[string]V) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

// load makes a model of what a tree of a volume holds.
func load(t testing.TB, v *Volume, tr *tree) *modelNode {
	t.Helper()
	fs := &FS{v: v, tree: tr}
	seen := map[uint64]*modelNode{}
	var walk func(ino uint64) *modelNode
	walk = func(ino uint64) *modelNode {
		if n := seen[ino]; n != nil {
			return n
		}
		in, err := tr.inode(ino)
		if err != nil {
			t.Fatal(err)
		}
		n := &modelNode{mode: in.mode, nlink: int(in.nlink), attrs: map[string]string{}}
		seen[ino] = n
		names, err := tr.listXattr(ino)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			value, err := tr.xattr(ino, name)
			if err != nil {
				t.Fatal(err)
			}
			n.attrs[name] = string(value)
		}
		switch in.kind() {
		case syscall.S_IFDIR:
			n.names = map[string]*modelNode{}
			for next := uint64(0); ; {
				e, ok, err := tr.nextEntry(ino, next)
				if err != nil {
					t.Fatal(err)
				}
				if !ok {
					break
				}
				n.names[e.name] = walk(e.ino)
				next = e.place + 1
			}
		case syscall.S_IFLNK:
			target, err := tr.readlink(ino)
			if err != nil {
				t.Fatal(err)
			}
			n.data = []byte(target)
		default:
			b := make([]byte, (in.size+BlockSize-1)/BlockSize*BlockSize)
			if err := fs.read(ino, 0, b); err != nil {
				t.Fatal(err)
			}
			n.data = b[:in.size]
			if tail := b[in.size:]; len(bytes.Trim(tail, "\x00")) > 0 {
				t.Fatal("bytes behind the end of a file are not zero")
			}
		}
		return n
	}
	return walk(RootInode)
}

func checkClean(t testing.TB, d block.Device) Summary {
	t.Helper()
	sum, err := Check(d, func(err error) { t.Error("check:", err) })
	if err != nil {
		t.Error("check:", err)
	}
	return sum
}

// driver makes random changes of a volume and a model at once.
type driver struct {
	t      testing.TB
	r      *rand.Rand
	v      *Volume
	root   *modelNode
	inos   map[*modelNode]uint64
	snaps  map[string]string // digests
	full   int               // times that there was no space
	greedy bool              // removes little, so that the disk gets full
}

func newDriver(t testing.TB, r *rand.Rand, v *Volume) *driver {
	root := &modelNode{mode: syscall.S_IFDIR | 0o755, nlink: 2, names: map[string]*modelNode{}}
	return &driver{t: t, r: r, v: v, root: root, inos: map[*modelNode]uint64{root: RootInode}, snaps: map[string]string{}}
}

// pick returns a random directory, and a name that may be in it.
func (d *driver) pick() (*modelNode, string) {
	dir := d.root
	for d.r.IntN(3) > 0 {
		var subs []*modelNode
		for _, name := range sortedKeys(dir.names) {
			if n := dir.names[name]; n.dir() {
				subs = append(subs, n)
			}
		}
		if len(subs) == 0 {
			break
		}
		dir = subs[d.r.IntN(len(subs))]
	}
	return dir, fmt.Sprintf("n%d", d.r.IntN(12))
}

func contains(n, o *modelNode) bool {
	if n == o {
		return true
	}
	for _, c := range n.names {
		if contains(c, o) {
			return true
		}
	}
	return false
}

// expect compares an error with the one that the model asks for, and says whether
// the change was made.
func (d *driver) expect(what string, err error, want syscall.Errno) bool {
	d.t.Helper()
	if err == syscall.ENOSPC {
		d.full++
		return false
	}
	if want == 0 && err != nil || want != 0 && err != want {
		d.t.Fatalf("%s: %v, want %v", what, err, want)
	}
	return err == nil
}

func (d *driver) drop(n *modelNode) {
	if n.nlink--; n.nlink == 0 || n.dir() {
		delete(d.inos, n)
	}
}

// step makes one change.
func (d *driver) step() {
	t, r, v := d.t, d.r, d.v
	dir, name := d.pick()
	old := dir.names[name]
	ino := d.inos[dir]
	op := r.IntN(100)
	if d.greedy && op >= 50 && r.IntN(8) > 0 {
		op -= 30
	}
	switch {
	case op < 22: // a new inode
		want := syscall.Errno(0)
		if old != nil {
			want = syscall.EEXIST
		}
		n := &modelNode{mode: syscall.S_IFREG | 0o644, nlink: 1}
		target := ""
		switch r.IntN(5) {
		case 0:
			n.mode = syscall.S_IFLNK | 0o777
			target = string(bytes.Repeat([]byte("t"), 1+r.IntN(2000)))
			n.data = []byte(target)
		case 1:
			n.mode, n.nlink, n.names = syscall.S_IFDIR|0o700, 2, map[string]*modelNode{}
		}
		number, err := v.create(ino, name, n.mode, 0, target)
		if d.expect("create", err, want) {
			dir.names[name], d.inos[n] = n, number
		}
	case op < 50: // data
		if old == nil || old.mode&syscall.S_IFMT != syscall.S_IFREG {
			return
		}
		block := uint64(r.IntN(24))
		if d.greedy {
			block = uint64(r.IntN(120))
		}
		b := make([]byte, 1+r.IntN(8*BlockSize))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		end := block*BlockSize + uint64(len(b))
		if end < uint64(len(old.data)) { // whole blocks in the middle
			b = append(b, make([]byte, -len(b)&(BlockSize-1))...)
			end = block*BlockSize + uint64(len(b))
		}
		size := max(end, uint64(len(old.data)))
		whole := append(bytes.Clone(b), make([]byte, -len(b)&(BlockSize-1))...)
		if end > uint64(len(old.data)) {
			size = end
		}
		if d.expect("write", v.storeAll(grow, d.inos[old], block, whole, size, 0), 0) {
			if size > uint64(len(old.data)) {
				old.data = append(old.data, make([]byte, size-uint64(len(old.data)))...)
			}
			copy(old.data[block*BlockSize:], whole)
		}
	case op < 58:
		if old == nil || old.mode&syscall.S_IFMT != syscall.S_IFREG {
			return
		}
		size := r.IntN(30 * BlockSize)
		if d.expect("setSize", v.setSize(d.inos[old], uint64(size)), 0) {
			if size < len(old.data) {
				old.data = slices.Clip(old.data[:size])
			} else {
				old.data = append(old.data, make([]byte, size-len(old.data))...)
			}
		}
	case op < 61: // a hole
		if old == nil || old.mode&syscall.S_IFMT != syscall.S_IFREG {
			return
		}
		f := &file{fs: &FS{v: v, tree: &v.files}, ino: d.inos[old]}
		block, n := r.IntN(24), 1+r.IntN(8)
		if err := f.Punch(int64(block)*BlockSize, int64(n)*BlockSize); err == 0 {
			if from := block * BlockSize; from < len(old.data) {
				clear(old.data[from:min(len(old.data), from+n*BlockSize)])
			}
		} else if err != syscall.ENOSPC {
			t.Fatal(err)
		}
	case op < 64:
		if old == nil || old.mode&syscall.S_IFMT != syscall.S_IFREG {
			return
		}
		f := &file{fs: &FS{v: v, tree: &v.files}, ino: d.inos[old]}
		if err := f.Preallocate(int64(r.IntN(24))*BlockSize, int64(1+r.IntN(8))*BlockSize); err != 0 && err != syscall.ENOSPC {
			t.Fatal(err)
		}
	case op < 78:
		want := syscall.Errno(0)
		directory := old != nil && old.dir()
		switch {
		case old == nil:
			want = syscall.ENOENT
		case directory && len(old.names) > 0:
			want = syscall.ENOTEMPTY
		}
		_, err := v.unlink(ino, name, directory)
		if d.expect("unlink", err, want) {
			delete(dir.names, name)
			d.drop(old)
		}
	case op < 84:
		if old == nil || old.dir() {
			return
		}
		to, name2 := d.pick()
		want := syscall.Errno(0)
		if to.names[name2] != nil {
			want = syscall.EEXIST
		}
		if d.expect("link", v.link(d.inos[to], name2, d.inos[old]), want) {
			to.names[name2] = old
			old.nlink++
		}
	case op < 94:
		d.rename(dir, name)
	default:
		if old == nil {
			return
		}
		attr := fmt.Sprintf("user.%d", r.IntN(4))
		var value []byte
		want := syscall.Errno(0)
		if r.IntN(3) > 0 {
			value = bytes.Repeat([]byte{byte(r.Uint32())}, r.IntN(3000))
		} else if _, ok := old.attrs[attr]; !ok {
			want = syscall.ENODATA
		}
		if d.expect("setXattr", v.setXattr(d.inos[old], attr, value, 0), want) {
			if old.attrs == nil {
				old.attrs = map[string]string{}
			}
			if value == nil {
				delete(old.attrs, attr)
			} else {
				old.attrs[attr] = string(value)
			}
		}
	}
}

func (d *driver) rename(dir *modelNode, name string) {
	to, name2 := d.pick()
	src, dst := dir.names[name], to.names[name2]
	flags := 0
	if d.r.IntN(4) == 0 {
		flags = renameExchange
	}
	want := syscall.Errno(0)
	switch {
	case src == nil, flags == renameExchange && dst == nil:
		want = syscall.ENOENT
	case src == dst:
	case contains(src, to), flags == renameExchange && dst != nil && contains(dst, dir):
		want = syscall.EINVAL
	case flags == 0 && dst != nil && contains(dst, dir):
		want = syscall.ENOTEMPTY
	case flags == 0 && dst != nil && src.dir() && !dst.dir():
		want = syscall.ENOTDIR
	case flags == 0 && dst != nil && !src.dir() && dst.dir():
		want = syscall.EISDIR
	case flags == 0 && dst != nil && len(dst.names) > 0:
		want = syscall.ENOTEMPTY
	}
	_, err := d.v.rename(d.inos[dir], name, d.inos[to], name2, flags)
	if !d.expect("rename", err, want) || src == dst {
		return
	}
	if flags == renameExchange {
		dir.names[name], to.names[name2] = dst, src
	} else {
		delete(dir.names, name)
		to.names[name2] = src
		if dst != nil {
			d.drop(dst)
		}
	}
}

func (d *driver) digest() string { return d.root.digest() }

// seeds is how often the tests with random changes run, each time others.
var seeds = flag.Uint64("seeds", 6, "`runs` of the tests with random changes")

// TestCrash makes changes, cuts the power at any write, and looks that what was
// synced is there, and that everything is as it was after one of the changes.
func TestCrash(t *testing.T) {
	for seed := range *seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { crash(t, seed, 400) })
	}
}

func crash(t *testing.T, seed uint64, steps int) {
	rnd := rand.New(rand.NewPCG(seed, 7))
	size := int64(1) << (20 + seed%3)
	disk := newRecorder(format(t, size))
	v := open(t, disk)
	d := newDriver(t, rnd, v)
	d.greedy = seed%6 >= 3
	states := []string{d.digest()}
	synced, replayed := 0, 0
	var images []*blocktest.Disk
	chance := 0.05
	disk.moment = func() {
		if rnd.Float64() < chance {
			images = append(images, disk.cut(rnd))
		}
	}
	for step := range steps {
		images = nil
		oldest := synced
		chance = 0.05
		d.step()
		states = append(states, d.digest())
		chance = 0.3
		switch rnd.IntN(12) {
		case 0, 1, 2:
			if err := v.Sync(); err != nil {
				t.Fatal(err)
			}
			synced = len(states) - 1
		case 3:
			if err := v.Commit(); err != nil {
				t.Fatal(err)
			}
			synced = len(states) - 1
		}
		for i, after := range append(images, disk.cut(rnd)) {
			if i == len(images) {
				oldest = synced
			}
			if checkClean(t, after).Replayed {
				replayed++
			}
			w := open(t, after)
			got := load(t, w, &w.files).digest()
			if !slices.Contains(states[oldest:], got) {
				t.Fatalf("step %d: not a state since %d:\n%s\nlast:\n%s", step, oldest, got, states[len(states)-1])
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			checkClean(t, after)
			if t.Failed() {
				t.Fatalf("at step %d", step)
			}
		}
	}
	t.Logf("%d bytes, full %d times, %d cuts with a log", size, d.full, replayed)
	if err := v.failed(); err != nil {
		t.Fatal(err)
	}
}
