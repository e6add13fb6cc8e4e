// Command memory shows how memory is given, protected and taken back.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"unsafe"

	"golang.org/x/sys/unix"

	"ringo.dev/ringo/tests/guests/check"
)

func main() {
	check.Main(check.Properties{
		"big":      big,
		"again":    again,
		"mmap":     mmap,
		"small":    small,
		"protect":  protect,
		"discard":  discard,
		"reserve":  reserve,
		"writeexe": writeExecute,
		"exec":     executable,
		"badargs":  badArguments,
		"limit":    limit,
	})
}

const (
	page      = 4096
	private   = unix.MAP_ANON | unix.MAP_PRIVATE
	readWrite = unix.PROT_READ | unix.PROT_WRITE
)

// big allocates half of the smallest machine in one piece.
func big() error {
	b := make([]byte, 24<<20)
	for i := range b {
		if b[i] != 0 {
			return fmt.Errorf("byte %d is not zero", i)
		}
		b[i] = byte(i)
	}
	for i := range b {
		if b[i] != byte(i) {
			return fmt.Errorf("byte %d changed", i)
		}
	}
	return nil
}

// again uses, in sum, many times the machine's memory.
func again() error {
	for range 16 {
		b := bytes.Repeat([]byte{1}, 20<<20)
		if b[len(b)-1] != 1 {
			return errors.New("wrong contents")
		}
		b = nil
		debug.FreeOSMemory()
	}
	return nil
}

// mmap maps and unmaps, often; new memory is zero.
func mmap() error {
	for range 50 {
		m, err := unix.Mmap(-1, 0, 2<<20, readWrite, private)
		if err != nil {
			return err
		}
		for i := 0; i < len(m); i += page {
			if m[i] != 0 {
				return fmt.Errorf("page %d is not zero", i/page)
			}
			m[i] = 1
		}
		if err := unix.Munmap(m); err != nil {
			return err
		}
	}
	return nil
}

// small makes many small mappings: each is zero at first, its own, and gone when it is
// unmapped.
func small() error {
	const n = 100
	var maps [n][]byte
	fill := func(i int) error {
		m, err := unix.Mmap(-1, 0, (i%20+1)*page, readWrite, private)
		if err != nil {
			return err
		}
		for j, v := range m {
			if v != 0 {
				return fmt.Errorf("byte %d of mapping %d is not zero", j, i)
			}
			m[j] = byte(i + 1)
		}
		maps[i] = m
		return nil
	}
	for i := range n {
		if err := fill(i); err != nil {
			return err
		}
	}
	for i := 0; i < n; i += 2 {
		m := maps[i]
		if err := unix.Munmap(m); err != nil {
			return err
		}
		if !faults(func() { m[0]++ }) {
			return fmt.Errorf("mapping %d is there after it was unmapped", i)
		}
	}
	for i := 0; i < n; i += 2 {
		if err := fill(i); err != nil {
			return err
		}
	}
	for i, m := range maps {
		if bytes.Count(m, []byte{byte(i + 1)}) != len(m) {
			return fmt.Errorf("mapping %d has changed", i)
		}
		if err := unix.Munmap(m); err != nil {
			return err
		}
	}
	return nil
}

// faults tells whether f faults.
func faults(f func()) (yes bool) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		_, yes = recover().(runtime.Error)
	}()
	f()
	return false
}

// protect changes the protection of the middle page of three, and back.
func protect() error {
	m, err := unix.Mmap(-1, 0, 3*page, readWrite, private)
	if err != nil {
		return err
	}
	defer unix.Munmap(m)
	middle := m[page : 2*page]
	copy(middle, "kept")
	sink := byte(0)
	for _, c := range []struct {
		prot        int
		read, write bool
	}{
		{unix.PROT_READ, true, false},
		{unix.PROT_NONE, false, false},
		{readWrite, true, true},
		{unix.PROT_READ | unix.PROT_EXEC, true, false},
		{readWrite, true, true},
	} {
		if err := unix.Mprotect(middle, c.prot); err != nil {
			return fmt.Errorf("protection %d: %w", c.prot, err)
		}
		if faults(func() { sink += middle[8] }) == c.read || faults(func() { middle[9]++ }) == c.write {
			return fmt.Errorf("protection %d is not kept", c.prot)
		}
		m[page-1]++
		m[2*page]++
	}
	return check.Equal("contents", string(middle[:4]), "kept")
}

// discard gives the contents of pages back.
func discard() error {
	m, err := unix.Mmap(-1, 0, 4*page, readWrite, private)
	if err != nil {
		return err
	}
	defer unix.Munmap(m)
	for i := range m {
		m[i] = 1
	}
	if err := unix.Madvise(m[page:3*page], unix.MADV_DONTNEED); err != nil {
		return err
	}
	want := bytes.Repeat([]byte{1}, 4*page)
	clear(want[page : 3*page])
	if !bytes.Equal(m, want) {
		return errors.New("not just the discarded pages are zero")
	}
	return nil
}

// reserve reserves far more addresses than there is memory, and uses a few.
func reserve() error {
	const size = 8 << 30
	m, err := unix.MmapPtr(-1, 0, nil, size, unix.PROT_NONE, private|unix.MAP_NORESERVE)
	if err != nil {
		return err
	}
	defer unix.MunmapPtr(m, size)
	middle := unsafe.Slice((*byte)(unsafe.Add(m, size/2)), page)
	if err := unix.Mprotect(middle, readWrite); err != nil {
		return err
	}
	middle[0] = 1
	if !faults(func() { *(*byte)(m) = 1 }) {
		return errors.New("reserved memory can be written")
	}
	return nil
}

// writeExecute wants memory that can be both written and executed to be refused.
func writeExecute() error {
	const all = readWrite | unix.PROT_EXEC
	if _, err := unix.Mmap(-1, 0, page, all, private); err == nil {
		return errors.New("mmap gave it")
	}
	m, err := unix.Mmap(-1, 0, page, readWrite, private)
	if err != nil {
		return err
	}
	if err := unix.Mprotect(m, all); err == nil {
		return errors.New("mprotect gave it")
	}
	return nil
}

// executable runs code that was written, and then made executable.
func executable() error {
	m, err := unix.Mmap(-1, 0, page, readWrite, private)
	if err != nil {
		return err
	}
	defer unix.Munmap(m)
	m[0] = 0xc3 // RET
	entry := &m[0]
	closure := &entry // a func is a pointer to where its entry point is
	f := *(*func())(unsafe.Pointer(&closure))
	if !faults(f) {
		return errors.New("it ran without permission")
	}
	if err := unix.Mprotect(m, unix.PROT_READ|unix.PROT_EXEC); err != nil {
		return err
	}
	f()
	return nil
}

func badArguments() error {
	_, err := unix.Mmap(-1, 0, 0, readWrite, private)
	if err := check.Is("mmap of nothing", err, unix.EINVAL); err != nil {
		return err
	}
	m, err := unix.Mmap(-1, 0, page, readWrite, private)
	if err != nil {
		return err
	}
	defer unix.Munmap(m)
	_, _, errno := unix.Syscall(unix.SYS_MUNMAP, uintptr(unsafe.Pointer(&m[0]))+1, page, 0)
	if err := check.Is("munmap of an odd address", errno, unix.EINVAL); err != nil {
		return err
	}
	_, _, errno = unix.Syscall(unix.SYS_MPROTECT, uintptr(unsafe.Pointer(&m[0]))+1, page, 0)
	return check.Is("mprotect of an odd address", errno, unix.EINVAL)
}

// limit fills the machine several times over with garbage, which the collector
// must find before there is no memory left.
func limit() error {
	for range 200 {
		b := make([]byte, 8<<20)
		for i := 0; i < len(b); i += page {
			b[i] = 1
		}
	}
	return nil
}
