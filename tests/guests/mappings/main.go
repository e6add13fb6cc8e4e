// Command mappings shows files in the program's memory: mmap with MAP_SHARED.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"unsafe"

	"ringo.dev/ringo/tests/guests/check"
)

const page = 4096

func main() {
	check.Main(check.Properties{
		"coherent":   withFile(coherent),
		"readonly":   withFile(readOnly),
		"sigbus":     withFile(sigbus),
		"grow":       withFile(grow),
		"shrink":     withFile(shrink),
		"several":    withFile(several),
		"parts":      withFile(parts),
		"protect":    withFile(protect),
		"fixed":      withFile(fixed),
		"holes":      withFile(holes),
		"unlinked":   withFile(unlinked),
		"private":    withFile(private),
		"refused":    withFile(refused),
		"reuse":      withFile(reuse),
		"shm":        withFile(sharedIndex),
		"systemcall": withFile(systemCall),
		"kept":       kept,
	})
}

// withFile gives a property a new file in a new directory.
func withFile(show func(f *os.File) error) func() error {
	return func() error {
		dir, err := os.MkdirTemp("", "mappings-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		f, err := os.Create(filepath.Join(dir, "f"))
		if err != nil {
			return err
		}
		defer f.Close()
		return show(f)
	}
}

const (
	r  = syscall.PROT_READ
	rw = syscall.PROT_READ | syscall.PROT_WRITE
)

func mmap(f *os.File, off int64, n, prot int) ([]byte, error) {
	b, err := syscall.Mmap(int(f.Fd()), off, n, prot, syscall.MAP_SHARED)
	if err != nil {
		return nil, fmt.Errorf("mmap of %d bytes: %w", n, err)
	}
	return b, nil
}

// fault runs f and returns the error with which it touched what it may not.
func fault(f func()) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if e, ok := recover().(error); ok {
			err = e
		}
	}()
	f()
	return nil
}

// Sink takes what is read only to touch it.
var Sink byte

// pattern returns n bytes, different for each seed.
func pattern(seed byte, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = seed + byte(i/page) + byte(i)
	}
	return b
}

// coherent: what is written is in the mapping at once, and the other way round.
func coherent(f *os.File) error {
	const n = 10 * page
	if _, err := f.Write(pattern(1, n)); err != nil {
		return err
	}
	b, err := mmap(f, 0, n, rw)
	if err != nil {
		return err
	}
	defer syscall.Munmap(b)
	if !bytes.Equal(b, pattern(1, n)) {
		return errors.New("the mapping is not what was written before")
	}
	if _, err := f.WriteAt(pattern(2, 3*page), page/2); err != nil {
		return err
	}
	if !bytes.Equal(b[page/2:][:3*page], pattern(2, 3*page)) {
		return errors.New("what was written later is not in the mapping")
	}
	copy(b[5*page-3:], "through the mapping")
	got := make([]byte, 19)
	if _, err := f.ReadAt(got, 5*page-3); err != nil || string(got) != "through the mapping" {
		return fmt.Errorf("read %q, %v", got, err)
	}
	return nil
}

func readOnly(f *os.File) error {
	f.Write(pattern(1, page))
	b, err := mmap(f, 0, page, r)
	if err != nil {
		return err
	}
	defer syscall.Munmap(b)
	if err := fault(func() { b[0] = 1 }); err == nil {
		return errors.New("a read-only mapping was written to")
	}
	return check.Equal("first byte", b[0], pattern(1, 1)[0])
}

// sigbus: beyond the end of the file there is nothing.
func sigbus(f *os.File) error {
	f.Write(pattern(1, page+100))
	b, err := mmap(f, 0, 8*page, rw)
	if err != nil {
		return err
	}
	defer syscall.Munmap(b)
	if !bytes.Equal(b[page+100:2*page], make([]byte, page-100)) {
		return errors.New("the last page has something behind the file's end")
	}
	for _, i := range []int{2 * page, 5 * page, 8*page - 1} {
		if err := fault(func() { Sink = b[i] }); err == nil {
			return fmt.Errorf("byte %d was read", i)
		}
	}
	return nil
}

// grow: bbolt's way, a read-only mapping that is larger than the file.
func grow(f *os.File) error {
	const n = 64 * page
	b, err := mmap(f, 0, n, r)
	if err != nil {
		return err
	}
	defer syscall.Munmap(b)
	for i := range n / page {
		if err := f.Truncate(int64(i+1) * page); err != nil {
			return err
		}
		if b[i*page] != 0 {
			return fmt.Errorf("page %d is not empty", i)
		}
		if _, err := f.WriteAt(pattern(byte(i), page), int64(i)*page); err != nil {
			return err
		}
		if !bytes.Equal(b[i*page:][:page], pattern(byte(i), page)) {
			return fmt.Errorf("page %d is not what was written", i)
		}
	}
	return nil
}

func shrink(f *os.File) error {
	const n = 40 * page
	f.Write(pattern(1, n))
	b, err := mmap(f, 0, n, rw)
	if err != nil {
		return err
	}
	defer syscall.Munmap(b)
	_ = b[n-1]
	if err := f.Truncate(10*page + 1); err != nil {
		return err
	}
	for i := 11; i < 40; i++ {
		if err := fault(func() { b[i*page] = 1 }); err == nil {
			return fmt.Errorf("page %d is still there", i)
		}
	}
	if b[10*page+1] != 0 || b[10*page] != pattern(1, n)[10*page] {
		return errors.New("the last page is wrong")
	}
	if err := f.Truncate(n); err != nil {
		return err
	}
	if !bytes.Equal(b[11*page:], make([]byte, 29*page)) {
		return errors.New("what was cut off has come back")
	}
	return nil
}

func several(f *os.File) error {
	f.Write(pattern(1, 4*page))
	var all [][]byte
	for i := range 8 {
		prot := r
		if i%2 == 0 {
			prot = rw
		}
		b, err := mmap(f, int64(i%4)*page, page, prot)
		if err != nil {
			return err
		}
		all = append(all, b)
	}
	all[0][7] = 99
	f.WriteAt([]byte{98}, page)
	if all[4][7] != 99 || all[1][0] != 98 || all[5][0] != 98 {
		return errors.New("mappings of one page differ")
	}
	for i, b := range all {
		if err := syscall.Munmap(b); err != nil {
			return fmt.Errorf("munmap %d: %w", i, err)
		}
	}
	return nil
}

// parts: a part of a mapping is unmapped.
func parts(f *os.File) error {
	f.Write(pattern(1, 9*page))
	b, err := mmap(f, 0, 9*page, r)
	if err != nil {
		return err
	}
	middle := uintptr(unsafe.Pointer(&b[3*page]))
	if _, _, e := syscall.Syscall(syscall.SYS_MUNMAP, middle, 3*page, 0); e != 0 {
		return e
	}
	for i := range 9 {
		err := fault(func() { Sink = b[i*page] })
		if gone := i >= 3 && i < 6; gone != (err != nil) {
			return fmt.Errorf("page %d: %v", i, err)
		}
	}
	if err := f.Truncate(7 * page); err != nil {
		return err
	}
	if err := fault(func() { Sink = b[8*page] }); err == nil {
		return errors.New("a page beyond the end")
	}
	return syscall.Munmap(b)
}

func protect(f *os.File) error {
	f.Write(pattern(1, 4*page))
	b, err := mmap(f, 0, 4*page, r)
	if err != nil {
		return err
	}
	defer syscall.Munmap(b)
	if err := syscall.Mprotect(b[page:2*page], rw); err != nil {
		return err
	}
	b[page] = 77
	got := make([]byte, 1)
	if f.ReadAt(got, page); got[0] != 77 {
		return errors.New("what was written is not in the file")
	}
	if err := fault(func() { b[2*page] = 1 }); err == nil {
		return errors.New("a page was written to that mprotect did not name")
	}
	if err := syscall.Mprotect(b[page:2*page], syscall.PROT_NONE); err != nil {
		return err
	}
	if err := fault(func() { Sink = b[page] }); err == nil {
		return errors.New("a page without access was read")
	}
	if err := syscall.Mprotect(b, r); err != nil {
		return err
	}
	return check.Equal("byte", b[page], 77)
}

// fixed: files take the place of a reservation, and of each other.
func fixed(f *os.File) error {
	f.Write(pattern(1, 8*page))
	area, err := syscall.Mmap(-1, 0, 8*page, syscall.PROT_NONE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return err
	}
	base := uintptr(unsafe.Pointer(unsafe.SliceData(area)))
	for i := range uintptr(8) {
		// The pages of the file in reverse order.
		at, _, e := syscall.Syscall6(syscall.SYS_MMAP, base+i*page, page, r, syscall.MAP_SHARED|syscall.MAP_FIXED, f.Fd(), (7-i)*page)
		if e != 0 || at != base+i*page {
			return fmt.Errorf("mmap at %#x: %#x, %v", base+i*page, at, e)
		}
	}
	for i := range 8 {
		if !bytes.Equal(area[i*page:][:page], pattern(1, 8*page)[(7-i)*page:][:page]) {
			return fmt.Errorf("page %d is wrong", i)
		}
	}
	if _, _, e := syscall.Syscall6(syscall.SYS_MMAP, base+2*page, 2*page, rw, syscall.MAP_ANON|syscall.MAP_PRIVATE|syscall.MAP_FIXED, ^uintptr(0), 0); e != 0 {
		return e
	}
	area[2*page] = 5
	if area[3*page] != 0 || area[4*page] != pattern(1, 8*page)[3*page] {
		return errors.New("anonymous memory in a file's place")
	}
	return syscall.Munmap(area)
}

func holes(f *os.File) error {
	const n = 2000 * page
	if err := f.Truncate(n); err != nil {
		return err
	}
	f.WriteAt([]byte("x"), 700*page)
	b, err := mmap(f, 0, n, r)
	if err != nil {
		return err
	}
	defer syscall.Munmap(b)
	for i := range 2000 {
		if want := i == 700; (b[i*page] != 0) != want {
			return fmt.Errorf("page %d: %d", i, b[i*page])
		}
	}
	f.WriteAt([]byte("y"), 701*page)
	return check.Equal("byte", b[701*page], 'y')
}

func unlinked(f *os.File) error {
	f.Write(pattern(1, 3*page))
	b, err := mmap(f, 0, 3*page, rw)
	if err != nil {
		return err
	}
	os.Remove(f.Name())
	f.Close()
	if !bytes.Equal(b, pattern(1, 3*page)) {
		return errors.New("the mapping of a removed file is wrong")
	}
	return syscall.Munmap(b)
}

func private(f *os.File) error {
	f.Write(pattern(1, 3*page))
	b, err := syscall.Mmap(int(f.Fd()), 0, 3*page, rw, syscall.MAP_PRIVATE)
	if err != nil {
		return err
	}
	b[0] = 99
	got := make([]byte, 1)
	f.ReadAt(got, 0)
	if got[0] == 99 {
		return errors.New("a private mapping has changed the file")
	}
	return syscall.Munmap(b)
}

func refused(f *os.File) error {
	f.Write(pattern(1, page))
	ro, err := os.Open(f.Name())
	if err != nil {
		return err
	}
	defer ro.Close()
	if _, err := mmap(ro, 0, page, rw); !errors.Is(err, syscall.EACCES) {
		return fmt.Errorf("a writable mapping of a file open for reading: %v", err)
	}
	b, err := mmap(ro, 0, page, r)
	if err != nil {
		return err
	}
	defer syscall.Munmap(b)
	if err := syscall.Mprotect(b, rw); !errors.Is(err, syscall.EACCES) {
		return fmt.Errorf("mprotect of it to be writable: %v", err)
	}
	if _, err := mmap(f, 100, page, r); !errors.Is(err, syscall.EINVAL) {
		return fmt.Errorf("an offset within a page: %v", err)
	}
	if _, err := syscall.Mmap(-1, 0, page, r, syscall.MAP_SHARED); !errors.Is(err, syscall.EBADF) {
		return fmt.Errorf("no descriptor: %v", err)
	}
	d, err := os.Open(filepath.Dir(f.Name()))
	if err != nil {
		return err
	}
	defer d.Close()
	if _, err := mmap(d, 0, page, r); !errors.Is(err, syscall.ENODEV) {
		return fmt.Errorf("a directory: %v", err)
	}
	return nil
}

// reuse: an address that showed one file shows the next one, or anonymous memory.
func reuse(f *os.File) error {
	const n = 4 * page
	other, err := os.Create(f.Name() + "2")
	if err != nil {
		return err
	}
	defer other.Close()
	f.Write(pattern(1, n))
	other.Write(pattern(2, n))
	addrs := map[*byte]bool{}
	for i := range 200 {
		file, want := f, pattern(1, n)
		if i%2 == 1 {
			file, want = other, pattern(2, n)
		}
		b, err := mmap(file, 0, n, rw)
		if err != nil {
			return err
		}
		if !bytes.Equal(b, want) {
			return fmt.Errorf("mapping %d shows the wrong file", i)
		}
		addrs[&b[0]] = true
		if err := syscall.Munmap(b); err != nil {
			return err
		}
		m, err := syscall.Mmap(-1, 0, n, rw, syscall.MAP_ANON|syscall.MAP_PRIVATE)
		if err != nil {
			return err
		}
		if !bytes.Equal(m, make([]byte, n)) {
			return errors.New("anonymous memory shows a file")
		}
		m[0] = 200
		if err := syscall.Munmap(m); err != nil {
			return err
		}
	}
	return nil
}

// sharedIndex: sqlite's way, pieces of 32 KiB that grow and are written through.
func sharedIndex(f *os.File) error {
	const piece = 32 << 10
	var all [][]byte
	for i := range 4 {
		if err := f.Truncate(int64(i+1) * piece); err != nil {
			return err
		}
		b, err := mmap(f, int64(i)*piece, piece, rw)
		if err != nil {
			return err
		}
		copy(b, pattern(byte(i), piece))
		all = append(all, b)
	}
	got, err := os.ReadFile(f.Name())
	if err != nil {
		return err
	}
	for i, b := range all {
		if !bytes.Equal(got[i*piece:][:piece], pattern(byte(i), piece)) {
			return fmt.Errorf("piece %d is not in the file", i)
		}
		if _, _, e := syscall.Syscall(syscall.SYS_MSYNC, uintptr(unsafe.Pointer(&b[0])), piece, 4); e != 0 {
			return fmt.Errorf("msync: %w", e)
		}
		if err := syscall.Munmap(b); err != nil {
			return err
		}
	}
	return nil
}

// systemCall: mapped pages are the buffers of system calls.
func systemCall(f *os.File) error {
	f.Write(pattern(1, 2*page))
	b, err := mmap(f, 0, 4*page, rw)
	if err != nil {
		return err
	}
	defer syscall.Munmap(b)
	var p [2]int
	if err := syscall.Pipe(p[:]); err != nil {
		return err
	}
	if n, err := syscall.Write(p[1], b[:2*page]); n != 2*page || err != nil {
		return fmt.Errorf("write from a mapping: %d, %v", n, err)
	}
	clear(b[:2*page])
	if n, err := syscall.Read(p[0], b[:2*page]); n != 2*page || err != nil {
		return fmt.Errorf("read into a mapping: %d, %v", n, err)
	}
	if !bytes.Equal(b[:2*page], pattern(1, 2*page)) {
		return errors.New("something else came through the pipe")
	}
	if _, err := syscall.Write(p[1], b[2*page:3*page]); err != syscall.EFAULT {
		return fmt.Errorf("write from beyond the file's end: %v", err)
	}
	return nil
}

// kept: what is written through a mapping is written to the disk. The second time
// the property is shown on the same disk it finds what the first time left.
func kept() error {
	const n = 20 * page
	name := filepath.Join(os.TempDir(), "kept-by-mappings")
	if got, err := os.ReadFile(name); err == nil {
		fmt.Println("found", len(got))
		want := pattern(1, n)
		copy(want[3*page+5:], "changed through the mapping")
		copy(want[19*page:], "and here")
		if !bytes.Equal(got, want) {
			return errors.New("it is not what was written through the mapping")
		}
		return os.Remove(name)
	}
	if err := os.WriteFile(name, pattern(1, n), 0o600); err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Sync(); err != nil { // the pages are clean from now on
		return err
	}
	b, err := mmap(f, 0, n, rw)
	if err != nil {
		return err
	}
	copy(b[3*page+5:], "changed through the mapping")
	if _, _, e := syscall.Syscall(syscall.SYS_MSYNC, uintptr(unsafe.Pointer(&b[0])), n, 4); e != 0 {
		return e
	}
	copy(b[19*page:], "and here")
	return syscall.Munmap(b) // what is not yet written is when the program ends
}
