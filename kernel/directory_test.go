package kernel_test

import (
	"encoding/binary"
	"fmt"
	"slices"
	"syscall"
	"testing"

	"ringo.dev/ringo/kernel"
)

// dirents decodes what getdents64 stored, and fails on anything malformed.
func dirents(t testing.TB, buf []byte) (names []string) {
	t.Helper()
	for len(buf) > 0 {
		size := int(binary.LittleEndian.Uint16(buf[16:]))
		if size < 20 || size > len(buf) || size%8 != 0 {
			t.Fatalf("record of %d bytes in %d", size, len(buf))
		}
		name := buf[19:size]
		end := slices.Index(name, 0)
		if end <= 0 {
			t.Fatalf("bad name %q", name)
		}
		if binary.LittleEndian.Uint64(buf) == 0 {
			t.Errorf("%s has no inode number", name[:end])
		}
		names = append(names, string(name[:end]))
		buf = buf[size:]
	}
	return names
}

// list returns the names in a directory but "." and "..", sorted.
func list(t testing.TB, k *kernel.Kernel, dirfd int, path string) []string {
	t.Helper()
	fd, err := k.Open(dirfd, path, syscall.O_RDONLY|syscall.O_DIRECTORY, 0)
	if err != 0 {
		t.Fatalf("open %s: %v", path, err)
	}
	defer k.Close(fd)
	var names []string
	buf := make([]byte, 300)
	for {
		n, err := k.Getdents(fd, buf)
		if err != 0 {
			t.Fatalf("getdents %s: %v", path, err)
		}
		if n == 0 {
			break
		}
		names = append(names, dirents(t, buf[:n])...)
	}
	if !slices.Contains(names, ".") || !slices.Contains(names, "..") {
		t.Errorf("%s lacks . or ..: %q", path, names)
	}
	names = slices.DeleteFunc(names, func(s string) bool { return s == "." || s == ".." })
	slices.Sort(names)
	return names
}

// TestReadWhileRemoving removes the entries of a directory as they are read, as
// os.RemoveAll does.
func TestReadWhileRemoving(t *testing.T) {
	k := newKernel(t)
	ok(t, k.Mkdir(cwd, "/tmp/d", 0o755))
	for i := range 500 {
		ok(t, k.WriteFile(fmt.Sprintf("/tmp/d/file%d", i), nil, 0o644))
	}
	fd := open(t, k, "/tmp/d", syscall.O_RDONLY)
	buf := make([]byte, 1000)
	removed := 0
	for {
		n, err := k.Getdents(fd, buf)
		ok(t, err)
		if n == 0 {
			break
		}
		for _, name := range dirents(t, buf[:n]) {
			if name != "." && name != ".." {
				ok(t, k.Unlink(fd, name, 0))
				removed++
			}
		}
	}
	if removed != 500 {
		t.Errorf("saw %d of 500 entries", removed)
	}
	ok(t, k.Unlink(cwd, "/tmp/d", 0x200))
}

func TestDirectoryRewind(t *testing.T) {
	k := newKernel(t)
	fd := open(t, k, "/proc", syscall.O_RDONLY)
	buf := make([]byte, 4096)
	first, err := k.Getdents(fd, buf)
	ok(t, err)
	a := dirents(t, buf[:first])
	_, err = k.Seek(fd, 0, 0)
	ok(t, err)
	second, err := k.Getdents(fd, buf)
	ok(t, err)
	if b := dirents(t, buf[:second]); !slices.Equal(a, b) {
		t.Errorf("after rewinding %q, before %q", b, a)
	}
	if _, err := k.Getdents(fd, buf[:10]); err != 0 && err != syscall.EINVAL {
		t.Errorf("small buffer: %v", err)
	}
	if _, err := k.Read(fd, buf); err != syscall.EISDIR {
		t.Errorf("read of a directory: %v", err)
	}
}

// FuzzGetdents reads a directory with buffers of any sizes: each name must come
// exactly once and every record be well formed.
func FuzzGetdents(f *testing.F) {
	f.Add(uint8(10), []byte{24, 50, 200})
	f.Fuzz(func(t *testing.T, files uint8, sizes []byte) {
		k := newKernel(t)
		ok(t, k.Mkdir(cwd, "/tmp/d", 0o755))
		for i := range int(files) {
			ok(t, k.Mkdir(cwd, fmt.Sprintf("/tmp/d/%0*d", 1+i%40, i), 0o755))
		}
		fd := open(t, k, "/tmp/d", syscall.O_RDONLY)
		seen := map[string]int{}
		for i := 0; ; i++ {
			size := 1024
			if i < len(sizes) {
				size = int(sizes[i])
			}
			buf := make([]byte, size)
			n, err := k.Getdents(fd, buf)
			if err == syscall.EINVAL && size < 80 {
				continue
			}
			ok(t, err)
			if n == 0 {
				break
			}
			for _, name := range dirents(t, buf[:n]) {
				seen[name]++
			}
		}
		if len(seen) != int(files)+2 {
			t.Errorf("saw %d names, want %d", len(seen), int(files)+2)
		}
		for name, n := range seen {
			if n != 1 {
				t.Errorf("%s came %d times", name, n)
			}
		}
	})
}
