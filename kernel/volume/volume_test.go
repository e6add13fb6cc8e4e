package volume

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"sort"
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
	var want []key
	for k := range model {
		want = append(want, k)
	}
	sort.Slice(want, func(i, j int) bool { return want[i].less(want[j]) })
	v = open(t, d)
	_ = v
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
