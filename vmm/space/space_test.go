package space

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"ringo.dev/ringo/vmm/abi"
)

const (
	testLow    = 64 << 30
	testPages  = 64 // that the tests work on, from testLow on
	testMemory = 1 << 20
)

func newSpace(t testing.TB, memory uint64) *Space {
	t.Helper()
	s, err := New(Config{Memory: memory, Control: 8 * page, Image: 4 * page, Low: testLow, High: testLow + 1<<40})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// access reads or writes the first byte of a page as a device would.
func access(s *Space, va uint64, write bool, b byte) (byte, error) {
	p, err := s.Slices(nil, va, 1, write)
	if err != nil {
		return 0, err
	}
	if write {
		p[0][0] = b
	}
	return p[0][0], nil
}

// model is what the pages of a test have to look like: -1 is unmapped.
type model struct {
	prot    [testPages]int
	content [testPages]byte
}

// FuzzSpace makes the changes that a guest may ask for, three bytes each, and
// compares the outcome with a model.
func FuzzSpace(f *testing.F) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		seed := make([]byte, 300)
		for i := range seed {
			seed[i] = byte(r.Uint32())
		}
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, ops []byte) {
		s := newSpace(t, testMemory)
		var m model
		for i := range m.prot {
			m.prot[i] = -1
		}
		for ; len(ops) >= 3; ops = ops[3:] {
			first := int(ops[1]) % testPages
			n := min(int(ops[2])%24+1, testPages-first)
			m.step(t, s, ops[0], first, n)
			m.check(t, s)
		}
		if err := s.Unmap(testLow, testPages*page); err != nil {
			t.Fatal(err)
		}
		if used := s.Usage().Mapped; used > 4*page {
			t.Errorf("%d bytes in use after all was unmapped", used)
		}
	})
}

// step makes one change to both.
func (m *model) step(t *testing.T, s *Space, op byte, first, n int) {
	va, length := testLow+uint64(first)*page, uint64(n)*page
	switch prot := int(op >> 4 & 7); op & 3 {
	case 0:
		err := s.Map(va, length, prot)
		if prot&abi.ProtWrite != 0 && prot&abi.ProtExec != 0 {
			if err != unix.EINVAL {
				t.Fatalf("writable and executable memory: %v", err)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		if prot != 0 {
			prot |= abi.ProtRead
		}
		for i := first; i < first+n; i++ {
			if m.prot[i] < 0 || m.prot[i] == prot {
				m.content[i] = 0
			}
			m.prot[i] = prot
		}
	case 1:
		if err := s.Unmap(va, length); err != nil {
			t.Fatal(err)
		}
		for i := first; i < first+n; i++ {
			m.prot[i], m.content[i] = -1, 0
		}
	case 2:
		if err := s.Discard(va, length); err != nil {
			t.Fatal(err)
		}
		clear(m.content[first : first+n])
	case 3:
		_, err := access(s, va, true, op)
		if writable := m.prot[first] > 0 && m.prot[first]&abi.ProtWrite != 0; (err == nil) != writable {
			t.Fatalf("write to page %d with protection %d: %v", first, m.prot[first], err)
		} else if writable {
			m.content[first] = op
		}
	}
}

func (m *model) check(t *testing.T, s *Space) {
	for i := range m.prot {
		b, err := access(s, testLow+uint64(i)*page, false, 0)
		switch {
		case m.prot[i] <= 0 && !errors.Is(err, ErrFault):
			t.Fatalf("page %d with protection %d: %v", i, m.prot[i], err)
		case m.prot[i] > 0 && (err != nil || b != m.content[i]):
			t.Fatalf("page %d holds %d, %v, want %d", i, b, err, m.content[i])
		}
	}
	last := uint64(0)
	for _, r := range s.regions {
		if r.start < last || r.end <= r.start {
			t.Fatalf("regions out of order: %v", s.regions)
		}
		last = r.end
	}
}

// FuzzSlices asks for arbitrary buffers: they are all of the length asked for
// and within memory that the guest may access, or refused.
func FuzzSlices(f *testing.F) {
	s := newSpace(f, testMemory)
	const device = testLow - 64*page
	if _, err := s.MapControl(testLow-32*page, 2*page, abi.ProtRead); err != nil {
		f.Fatal(err)
	}
	if _, err := s.MapControl(testLow-16*page, page, abi.ProtRead|abi.ProtWrite|Supervisor); err != nil {
		f.Fatal(err)
	}
	if err := s.MapDevice(device, 0xd0000000); err != nil {
		f.Fatal(err)
	}
	if err := s.Map(testLow, testPages*page, abi.ProtRead|abi.ProtWrite); err != nil {
		f.Fatal(err)
	}
	for _, at := range []uint64{0, page, device, testLow - 32*page, testLow - 16*page, testLow, testLow + 5000, testLow + testPages*page - 1, 1<<47 - 1, 1 << 47, 1<<48 + testLow, 1<<63 + testLow, ^uint64(0)} {
		for _, n := range []uint64{0, 1, page, 3*page + 7, 1 << 40, ^uint64(0)} {
			f.Add(at, n, true)
			f.Add(at, n, false)
		}
	}
	inside := func(at, n, start, end uint64) bool { return at >= start && at < end && n <= end-at }
	f.Fuzz(func(t *testing.T, at, n uint64, write bool) {
		pieces, err := s.Slices(nil, at, n, write)
		want := n == 0 || inside(at, n, testLow, testLow+testPages*page) || !write && inside(at, n, testLow-32*page, testLow-30*page)
		if (err == nil) != want {
			t.Fatalf("%d bytes at %#x: %v", n, at, err)
		}
		got := uint64(0)
		for _, p := range pieces {
			got += uint64(len(p))
			if cap(p) != len(p) {
				t.Fatal("a piece reaches beyond its end")
			}
		}
		if err == nil && got != n {
			t.Fatalf("%d bytes of %d", got, n)
		}
	})
}

func TestLimit(t *testing.T) {
	s := newSpace(t, testMemory)
	if err := s.Map(testLow, 2*testMemory, abi.ProtRead|abi.ProtWrite); err != nil {
		t.Fatal(err)
	}
	given := uint64(0)
	var err error
	for ; err == nil && given < 2*testMemory; given += page {
		_, err = access(s, testLow+given, true, 1)
	}
	if !errors.Is(err, ErrNoMemory) || given > testMemory || given < testMemory-8*page {
		t.Errorf("%d bytes given of %d: %v", given, testMemory, err)
	}
	if u := s.Usage(); u.Mapped != testMemory || u.Resident < testMemory*9/10 {
		t.Errorf("usage %+v", u)
	}
	if err := s.Discard(testLow, 2*testMemory); err != nil {
		t.Fatal(err)
	}
	if u := s.Usage(); u.Mapped > 8*page || u.Resident > 16*page {
		t.Errorf("usage %+v after all was given back", u)
	}
	if b, err := access(s, testLow+given/2, false, 0); b != 0 || err != nil {
		t.Errorf("a page given back reads %d, %v", b, err)
	}
}

// TestContiguous: what the guest uses in order is one piece for a device.
func TestContiguous(t *testing.T) {
	s := newSpace(t, testMemory)
	s.Map(testLow, 32*page, abi.ProtRead|abi.ProtWrite)
	pieces, err := s.Slices(nil, testLow+100, 32*page-200, true)
	if err != nil || len(pieces) != 1 || len(pieces[0]) != 32*page-200 {
		t.Errorf("%d pieces, %v", len(pieces), err)
	}
}

func TestBadRanges(t *testing.T) {
	s := newSpace(t, testMemory)
	for _, r := range [][2]uint64{
		{testLow, 0}, {testLow + 1, page}, {testLow, page + 1}, {testLow - page, page}, {testLow - page, 2 * page},
		{testLow + 1<<40, page}, {testLow + 1<<40 - page, 2 * page}, {testLow, ^uint64(page - 1)}, {^uint64(page - 1), 2 * page},
	} {
		for name, err := range map[string]error{
			"map": s.Map(r[0], r[1], abi.ProtRead), "unmap": s.Unmap(r[0], r[1]), "discard": s.Discard(r[0], r[1]),
		} {
			if err != unix.EINVAL {
				t.Errorf("%s of %#x: %v", name, r, err)
			}
		}
	}
	if err := s.Map(testLow, page, 16); err != unix.EINVAL {
		t.Errorf("unknown protection: %v", err)
	}
}

func TestRegionLimit(t *testing.T) {
	s := newSpace(t, testMemory)
	var err error
	n := 0
	for ; err == nil && n < 2*maxRegions; n++ {
		err = s.Map(testLow+uint64(2*n)*page, page, abi.ProtRead)
	}
	if err != unix.ENOMEM || n < maxRegions-4 {
		t.Errorf("%d regions: %v", n, err)
	}
}

func TestMapFile(t *testing.T) {
	s := newSpace(t, testMemory)
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	f.Write(bytes.Repeat([]byte{1, 2, 3, 4}, page))
	if err := s.MapFile(0x400000, f, page, page+10, abi.ProtRead|abi.ProtWrite); err != nil {
		t.Fatal(err)
	}
	pieces, err := s.Slices(nil, 0x400000, 2*page, true)
	if err != nil || len(pieces) != 1 {
		t.Fatal(len(pieces), err)
	}
	b := pieces[0]
	if b[page+8] != 1 || b[page+10] != 0 || b[2*page-1] != 0 {
		t.Error("the end of the file's part is wrong")
	}
	b[0] = 99
	var first [1]byte
	if f.ReadAt(first[:], page); first[0] != 1 {
		t.Error("a write reached the file")
	}
	if err := s.MapFile(0x800000, f, 0, 3*page, abi.ProtRead); !errors.Is(err, ErrNoMemory) {
		t.Errorf("more than Config.Image: %v", err)
	}
}

// TestLargePages: read-only parts of a file are mapped by large pages as far as they
// fit, and read as the file does.
func TestLargePages(t *testing.T) {
	const size = 3*LargePage + 5*page
	s, err := New(Config{Memory: 4 * size, Image: 3 * size, Low: testLow, High: testLow + 1<<40})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for i := range int64(size / page) {
		f.WriteAt([]byte{byte(i), byte(i >> 8), 1}, i*page)
	}
	for _, c := range []struct {
		va    uint64
		off   int64
		prot  int
		large uint64 // how many
	}{
		{0x40000000 + 7*page, 7 * page, abi.ProtRead | abi.ProtExec, 2},
		{0x50000000 + page, 0, abi.ProtRead, 0}, // not aligned as the file is
		{0x60000000, 0, abi.ProtRead | abi.ProtWrite, 0},
	} {
		n := uint64(size - c.off)
		if err := s.MapFile(c.va, f, c.off, n, c.prot); err != nil {
			t.Fatal(err)
		}
		large := map[uint64]bool{}
		for i := uint64(0); i < n; i += page {
			pieces, err := s.Slices(nil, c.va+i, 3, false)
			if err != nil {
				t.Fatal(err)
			}
			if no := uint64(c.off)/page + i/page; !bytes.Equal(pieces[0], []byte{byte(no), byte(no >> 8), 1}) {
				t.Fatalf("page %d of the file reads %v", no, pieces[0])
			}
			if e, size := s.find(c.va + i); size == LargePage {
				large[*e] = true
			}
		}
		if uint64(len(large)) != c.large {
			t.Errorf("%d large pages at %#x, want %d", len(large), c.va, c.large)
		}
		if _, err := s.Slices(nil, c.va+n-1, 2, false); !errors.Is(err, ErrFault) {
			t.Errorf("beyond the end: %v", err)
		}
	}
}

// TestStream: who works through memory in order needs few page faults, and who jumps
// about is not given much that he does not use.
func TestStream(t *testing.T) {
	const size = 32 << 20
	for _, c := range []struct {
		stride   uint64
		down     bool
		faults   uint64
		perFault uint64 // pages
	}{
		{page, false, 32, 0},
		{page, true, 32, 0},
		{LargePage + 8*blockSize, false, 12, blockPages},
	} {
		s := newSpace(t, 4*size)
		if err := s.Map(testLow, size, abi.ProtRead|abi.ProtWrite); err != nil {
			t.Fatal(err)
		}
		for i := uint64(page); i < size; i += c.stride {
			va := testLow + i
			if c.down {
				va = testLow + size - i
			}
			if _, err := access(s, va, true, 1); err != nil {
				t.Fatal(err)
			}
		}
		u := s.Usage()
		if u.Faults > c.faults {
			t.Errorf("stride %d, down %v: %d faults", c.stride, c.down, u.Faults)
		}
		if tables := uint64(size / LargePage); c.perFault > 0 && u.Mapped/page > u.Faults*c.perFault+LargePage/page+tables+4 { // a large page came with the mapping
			t.Errorf("stride %d: %d pages given for %d faults", c.stride, u.Mapped/page, u.Faults)
		}
	}
}

// TestLargeFrames: a mapping that is aligned begins with a large page, the host's and the
// guest's, if the host has any, and of that each page can be changed by itself.
func TestLargeFrames(t *testing.T) {
	const rw = abi.ProtRead | abi.ProtWrite
	s := newSpace(t, 64<<20)
	fill := func(from, to uint64, want byte) {
		t.Helper()
		for va := from; va < to; va += page {
			look(t, s, va, int(want))
			if _, err := access(s, va, true, byte(va/page)|1); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range 3 {
		if err := s.Map(testLow, 2*LargePage, rw); err != nil {
			t.Fatal(err)
		}
		fill(testLow, testLow+2*LargePage, 0)
		if _, size := s.find(testLow + page); size != LargePage && !s.small {
			t.Errorf("the mapping begins with a page of %d bytes", size)
		}
		before := s.Usage()
		if err := s.Discard(testLow+LargePage/2, LargePage/2); err != nil {
			t.Fatal(err)
		}
		if u := s.Usage(); u.Resident != before.Resident-LargePage/2 || u.Mapped != before.Mapped-LargePage/2 {
			t.Errorf("%+v before, %+v after half a large page was discarded", before, u)
		}
		if err := s.Map(testLow+page, page, abi.ProtRead); err != nil {
			t.Fatal(err)
		}
		if _, err := access(s, testLow+page, true, 1); !errors.Is(err, ErrFault) {
			t.Errorf("write to a page that was protected: %v", err)
		}
		for i := range uint64(LargePage / 2 / page) {
			look(t, s, testLow+i*page, int(byte(testLow/page+i)|1))
		}
		fill(testLow+LargePage/2, testLow+LargePage, 0)
		if err := s.Unmap(testLow, 2*LargePage); err != nil {
			t.Fatal(err)
		}
		look(t, s, testLow, -1)
	}
	if u := s.Usage(); u.Mapped > 16*page {
		t.Errorf("%+v after all was unmapped", u)
	}
}

// TestPopulateAhead: the first large mapping begins with the memory that came ahead, if
// there was plenty.
func TestPopulateAhead(t *testing.T) {
	const rw = abi.ProtRead | abi.ProtWrite
	s := newSpace(t, 64<<20)
	none := s.Usage()
	s.PopulateAhead()
	before := s.Usage()
	if before.Mapped != none.Mapped {
		t.Errorf("%+v, then %+v", none, before)
	}
	if err := s.Map(testLow, 2*LargePage, rw); err != nil {
		t.Fatal(err)
	}
	if s.small {
		t.Skip("the host has no large pages")
	}
	const more = 16 * page // tables
	after := s.Usage()
	if before.Resident < none.Resident+LargePage || after.Resident > before.Resident+more {
		t.Errorf("%+v, then %+v, then %+v", none, before, after)
	}
	if _, err := access(s, testLow, true, 1); err != nil {
		t.Fatal(err)
	}
	s.PopulateAhead() // too late
	if look(t, s, testLow, 1); s.Usage().Resident != after.Resident {
		t.Errorf("%+v, then %+v", after, s.Usage())
	}
	s = newSpace(t, 16<<20)
	none = s.Usage()
	if s.PopulateAhead(); s.Usage() != none {
		t.Errorf("with little memory: %+v, then %+v", none, s.Usage())
	}
}

// TestFirst: what is sure to be touched is given beforehand, and takes no memory of
// the host until then, but for the beginning of some larger mappings, and of the
// image's zeroes.
func TestFirst(t *testing.T) {
	s := newSpace(t, 64<<20)
	s.Reserve(testLow-1<<30+page, 1<<20, abi.ProtRead|abi.ProtWrite, 100*page)
	if u := s.Usage(); u.Resident < hotStart || u.Resident > hotStart+32*page {
		t.Errorf("%+v with %d bytes that are hot", u, hotStart)
	}
	if err := s.Map(testLow, 6*page, abi.ProtRead|abi.ProtWrite); err != nil {
		t.Fatal(err)
	}
	before := s.Usage()
	for _, va := range []uint64{testLow - 1<<30 + hotStart + page, testLow - 1<<30 + 100*page, testLow, testLow + 5*page} {
		if _, err := access(s, va, true, 1); err != nil {
			t.Fatal(err)
		}
	}
	after := s.Usage()
	if after.Faults != 0 || after.Mapped != before.Mapped || after.Resident-before.Resident != 4*page {
		t.Errorf("%+v before, %+v after four pages were touched", before, after)
	}
	for _, m := range []struct{ addr, n, want uint64 }{
		{testLow + 1<<20, wholeSize / 2, 0},
		{testLow + 2<<20, wholeSize, wholeSize / 2},
		{testLow + 4<<20, 2 * wholeSize, 2 * blockSize},
		{testLow + 5<<20, 2 * wholeSize, 0},
	} {
		before := s.Usage().Resident
		if err := s.Map(m.addr, m.n, abi.ProtRead|abi.ProtWrite); err != nil {
			t.Fatal(err)
		}
		// There may be new tables, too.
		if got := s.Usage().Resident - before; got < m.want || got > m.want+8*page {
			t.Errorf("%d bytes at %#x came with %d bytes of memory, want %d", m.n, m.addr, got, m.want)
		}
	}
}

// TestPosted: mappings that the guest has posted are made when they are needed, and
// before others that it asks for afterwards.
func TestPosted(t *testing.T) {
	s := newSpace(t, 64<<20)
	var p abi.Posted
	s.TakePosted(&p)
	post := func(m abi.Mapping) {
		p.Mapping[p.Head%abi.MaxPosted] = m
		p.Head++
	}
	const rw = abi.ProtRead | abi.ProtWrite
	post(abi.Mapping{Addr: testLow, Len: page, Prot: rw})
	post(abi.Mapping{Addr: testLow + 4*page, Len: page, Prot: rw})
	if p.Tail != 0 {
		t.Error("posted mappings were taken before anybody needed them")
	}
	if _, err := access(s, testLow+4*page, true, 1); err != nil || p.Tail != 2 {
		t.Errorf("%v, and %d were taken", err, p.Tail)
	}
	if _, err := access(s, testLow+page, true, 1); !errors.Is(err, ErrFault) {
		t.Errorf("an address that was not mapped: %v", err)
	}
	for name, change := range map[string]func(addr uint64) error{
		"unmap":   func(addr uint64) error { return s.Unmap(addr, page) },
		"protect": func(addr uint64) error { return s.Map(addr, page, 0) },
	} {
		post(abi.Mapping{Addr: testLow + 8*page, Len: page, Prot: rw})
		if err := change(testLow + 8*page); err != nil {
			t.Fatal(err)
		}
		if _, err := access(s, testLow+8*page, false, 0); !errors.Is(err, ErrFault) {
			t.Errorf("after %s: %v", name, err)
		}
		s.Unmap(testLow+8*page, page)
	}
	// What is wrong is nothing, and more than fit are taken as they are.
	regions := len(s.regions)
	post(abi.Mapping{Addr: testLow + 1, Len: page, Prot: rw})
	post(abi.Mapping{Addr: 0x400000, Len: page, Prot: rw})
	post(abi.Mapping{Addr: testLow + 10*page, Len: page, Prot: abi.ProtWrite | abi.ProtExec})
	post(abi.Mapping{Addr: ^uint64(0), Len: ^uint64(0), Prot: ^uint64(0)})
	if _, err := access(s, testLow+10*page, false, 0); !errors.Is(err, ErrFault) || len(s.regions) != regions {
		t.Errorf("%v, %d regions of %d", err, len(s.regions), regions)
	}
	p.Head += 1 << 31
	if _, err := access(s, testLow+10*page, false, 0); !errors.Is(err, ErrFault) || p.Tail != p.Head {
		t.Errorf("%v, taken up to %d of %d", err, p.Tail, p.Head)
	}
}
