package volume

import (
	"bytes"
	"cmp"
	"errors"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"
)

// TestTree compares a tree with a map.
func TestTree(t *testing.T) {
	d := format(t, 64<<20)
	v := open(t, d)
	r := rand.New(rand.NewPCG(1, 2))
	model := map[key]string{}
	var keys []key
	for i := range 40000 {
		k := key{2 << 56, r.Uint64N(5000)}
		if r.IntN(3) == 0 {
			k.lo = uint64(i) // in order
		}
		if r.IntN(3) == 0 || i > 30000 {
			if len(keys) > 0 {
				k = keys[r.IntN(len(keys))]
			}
			_, had := model[k]
			delete(model, k)
			err := v.change(shrink, 0, 1, nil, func() error {
				ok, err := v.files.remove(k)
				if ok != had {
					t.Fatalf("removed %v: %v, want %v", k, ok, had)
				}
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			continue
		}
		value := make([]byte, r.IntN(maxValue+1))
		for i := range value {
			value[i] = byte(r.Uint32())
		}
		model[k] = string(value)
		keys = append(keys, k)
		if err := v.change(grow, 0, 1, nil, func() error { return v.files.put(k, value) }); err != nil {
			t.Fatal(err)
		}
		if r.IntN(2000) == 0 {
			if err := v.Close(); err != nil {
				t.Fatal(err)
			}
			v = open(t, d)
		}
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	compareTree(t, open(t, d), model, r)
}

// compareTree looks for all keys, and for some that are not there, in a tree that has
// those of the model and what a new volume has.
func compareTree(t *testing.T, v *Volume, model map[key]string, r *rand.Rand) {
	t.Helper()
	var want []key
	for k := range model {
		want = append(want, k)
	}
	slices.SortFunc(want, func(a, b key) int { return cmp.Or(cmp.Compare(a.hi, b.hi), cmp.Compare(a.lo, b.lo)) })
	next := key{2 << 56, 0}
	for i, k := range want {
		it, ok, err := v.files.seek(next)
		if err != nil || !ok || it.key != k || string(it.value) != model[k] {
			t.Fatalf("item %d is %v %v %v, want %v", i, it.key, ok, err, k)
		}
		next = key{k.hi, k.lo + 1}
	}
	if it, ok, err := v.files.seek(next); ok || err != nil {
		t.Errorf("there is also %v: %v", it.key, err)
	}
	for range 5000 {
		k := key{2 << 56, r.Uint64N(45000)}
		at, exact := slices.BinarySearchFunc(want, k, func(a, b key) int { return cmp.Compare(a.lo, b.lo) })
		if !exact {
			at--
		}
		it, ok, err := v.files.floor(k)
		if err != nil || !ok || at >= 0 && it.key != want[at] || at < 0 && it.hi == k.hi {
			t.Fatalf("the last item up to %v is %v: %v %v", k, it.key, ok, err)
		}
	}
}

// write stores data at an offset of a block.
func write(t testing.TB, v *Volume, ino uint64, data []byte, block uint64) {
	t.Helper()
	size := block*BlockSize + uint64(len(data))
	whole := append(bytes.Clone(data), make([]byte, -len(data)&(BlockSize-1))...)
	if err := v.storeAll(grow, ino, block, whole, size, 1); err != nil {
		t.Fatal(err)
	}
}

// TestFirst writes a file, which is there again without a clean end.
func TestFirst(t *testing.T) {
	d := format(t, 1<<20)
	v := open(t, d)
	ino, err := v.create(RootInode, "file", syscall.S_IFREG|0o644, 0, "")
	if err != nil {
		t.Fatal(err)
	}
	data := bytes.Repeat([]byte("0123456789"), 5000)
	write(t, v, ino, data, 0)
	if err := v.Sync(); err != nil {
		t.Fatal(err)
	}
	free := v.space.free.Load()
	v = open(t, d) // without Close: the log is played back
	if f := v.space.free.Load(); f != free {
		t.Errorf("%d blocks are free, were %d", f, free)
	}
	e, err := v.files.find(RootInode, "file")
	if err != nil || e.ino != ino {
		t.Fatal(e, err)
	}
	fs := &FS{v: v, tree: &v.files}
	got := make([]byte, (len(data)+BlockSize-1)/BlockSize*BlockSize)
	if err := fs.read(ino, 0, got); err != nil || !bytes.Equal(got[:len(data)], data) {
		t.Fatal("wrong data", err)
	}
	if _, err := v.unlink(RootInode, "file", false); err != nil {
		t.Fatal(err)
	}
	if _, err := v.files.find(RootInode, "file"); !errors.Is(err, syscall.ENOENT) {
		t.Fatal(err)
	}
}
