package space

import (
	"encoding/binary"
	"testing"

	"golang.org/x/sys/unix"

	"ringo.dev/ringo/vmm/abi"
)

// Places of the tests: memory that is aliased, the list, and where aliases are.
const (
	testShared  = testLow
	testList    = testLow + 64*page
	testAliases = testLow + 128*page
)

// alias calls Alias with a list of addresses.
func alias(t *testing.T, s *Space, addr uint64, prot int, words ...uint64) error {
	t.Helper()
	b, err := s.Slices(nil, testList, page, true)
	if err != nil {
		t.Fatal(err)
	}
	for i, w := range words {
		binary.LittleEndian.PutUint64(b[0][8*i:], w)
	}
	return s.Alias(addr, testList, uint64(len(words)), prot)
}

func newShared(t *testing.T) *Space {
	s := newSpace(t, testMemory)
	const rw = abi.ProtRead | abi.ProtWrite
	for _, err := range []error{s.Map(testShared, 32*page, rw|abi.ProtShare), s.Map(testList, page, rw)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// look fails unless the first byte of a page is want; -1 means that there is no page.
func look(t *testing.T, s *Space, va uint64, want int) {
	t.Helper()
	got, err := access(s, va, false, 0)
	if err != nil && want >= 0 || err == nil && want < 0 || err == nil && int(got) != want {
		t.Errorf("%#x: %d, %v, want %d", va, got, err, want)
	}
}

func TestAlias(t *testing.T) {
	const rw = abi.ProtRead | abi.ProtWrite
	s := newShared(t)
	for i := range uint64(32) {
		access(s, testShared+i*page, true, byte(i+1))
	}
	before := s.Usage().Mapped
	if err := alias(t, s, testAliases, rw, testShared+3*page, 0, testShared+2*page, testShared+3*page); err != nil {
		t.Fatal(err)
	}
	if err := alias(t, s, testAliases+4*page, abi.ProtRead, testShared+3*page); err != nil {
		t.Fatal(err)
	}
	access(s, testAliases+3*page, true, 100)
	for va, want := range map[uint64]int{
		testShared + 3*page: 100, testAliases: 100, testAliases + page: -1,
		testAliases + 2*page: 3, testAliases + 3*page: 100, testAliases + 4*page: 100,
	} {
		look(t, s, va, want)
	}
	if _, err := access(s, testAliases+4*page, true, 1); err == nil {
		t.Error("a read-only alias can be written")
	}

	// An alias is replaced, loses a permission, goes, and the memory stays.
	if err := alias(t, s, testAliases, abi.ProtRead, testShared+5*page); err != nil {
		t.Fatal(err)
	}
	look(t, s, testAliases, 6)
	if err := s.Unmap(testAliases, 8*page); err != nil {
		t.Fatal(err)
	}
	look(t, s, testAliases, -1)
	look(t, s, testShared+3*page, 100)
	if err := s.Map(testShared+3*page, page, abi.ProtRead); err != nil {
		t.Fatal(err)
	}
	look(t, s, testShared+3*page, 100)
	if err := s.Unmap(testShared, 32*page); err != nil {
		t.Fatal(err)
	}
	if after := s.Usage().Mapped; after > before-31*page {
		t.Errorf("%d bytes in use, %d before 32 pages were unmapped", after, before)
	}
	// The frames come back empty.
	if err := s.Map(testShared, 32*page, rw|abi.ProtShare); err != nil {
		t.Fatal(err)
	}
	for i := range uint64(32) {
		look(t, s, testShared+i*page, 0)
	}
}

func TestAliasRefused(t *testing.T) {
	const rw = abi.ProtRead | abi.ProtWrite
	s := newShared(t)
	s.Map(testLow+256*page, page, rw)
	s.Map(testShared+8*page, page, abi.ProtRead)
	access(s, testShared, true, 1)
	for _, c := range []struct {
		what string
		addr uint64
		prot int
		word uint64
		want error
	}{
		{"private memory", testAliases, rw, testLow + 256*page, unix.EINVAL},
		{"nothing", testAliases, rw, testLow + 300*page, unix.EFAULT},
		{"more than the page allows", testAliases, rw, testShared + 8*page, unix.EFAULT},
		{"executable", testAliases, abi.ProtRead | abi.ProtExec, testShared, unix.EINVAL},
		{"without protection", testAliases, 0, testShared, unix.EINVAL},
		{"unknown protection", testAliases, abi.ProtRead | abi.ProtShare, testShared, unix.EINVAL},
		{"outside", testLow - page, rw, testShared, unix.EINVAL},
		{"unaligned", testAliases + 8, rw, testShared, unix.EINVAL},
		{"itself", testShared, rw, testShared, unix.EINVAL},
	} {
		if err := alias(t, s, c.addr, c.prot, c.word); err != c.want {
			t.Errorf("%s: %v, want %v", c.what, err, c.want)
		}
	}
	for n, want := range map[uint64]error{0: unix.EINVAL, abi.MaxAlias + 1: unix.EINVAL, 1 << 56: unix.EINVAL, abi.MaxAlias: unix.EFAULT} {
		if err := s.Alias(testAliases, testList, n, rw); err != want {
			t.Errorf("%d words: %v, want %v", n, err, want)
		}
	}
	if err := s.Alias(testAliases, testList+4, 1, rw); err != unix.EINVAL {
		t.Errorf("unaligned list: %v", err)
	}
}

// TestShareOnce wants the shared part to be given to the guest when it is used first,
// and asked for again if that fails.
func TestShareOnce(t *testing.T) {
	s := newSpace(t, testMemory)
	calls, result := 0, error(unix.ENOSPC)
	s.share = func(gpa uint64, mem []byte) error {
		calls++
		if end := gpa - Base + uint64(len(mem)); gpa != Base+s.shareStart || end != uint64(len(s.arena)) || len(s.Arena())+len(mem) != len(s.arena) {
			t.Errorf("the part is %d bytes at %#x", len(mem), gpa)
		}
		return result
	}
	const rw = abi.ProtRead | abi.ProtWrite
	if err := s.Map(testList, page, rw); err != nil || calls != 0 {
		t.Errorf("memory of other kinds: %v, %d calls", err, calls)
	}
	for n, want := range []error{unix.ENOMEM, nil, nil} {
		if err := s.Map(testShared+uint64(n)*page, page, rw|abi.ProtShare); err != want {
			t.Errorf("mapping %d: %v, want %v", n, err, want)
		}
		result = nil
	}
	if calls != 2 {
		t.Errorf("%d calls", calls)
	}
}
