package pages

import "testing"

// TestStore takes all pages, looks that each is zero and its own, and gives them
// back.
func TestStore(t *testing.T) {
	const pages = 100
	s := NewStore(pages * Size)
	for _, length := range []int{1, 3, 16, 40} {
		var taken []Page
		for list := make([]Page, length); ; {
			n := s.GetRun(list)
			if n == 0 {
				break
			}
			for i, p := range list[:n] {
				if *p.Data != ([Size]byte{}) {
					t.Fatal("a page is not empty")
				}
				if p.Addr() != list[0].Addr()+uintptr(i)*Size {
					t.Fatal("a run has gaps")
				}
				taken = append(taken, p)
				for i := range p.Data {
					p.Data[i] = byte(len(taken))
				}
			}
		}
		if len(taken) != pages {
			t.Fatalf("got %d pages, want %d", len(taken), pages)
		}
		for i, p := range taken {
			if p.Data[0] != byte(i+1) || p.Data[Size-1] != byte(i+1) {
				t.Fatalf("page %d is shared", i)
			}
			s.Put(p)
		}
		if used, _ := s.Usage(); used != 0 || len(s.open) != 0 || len(s.spare) > maxSpare {
			t.Errorf("%d bytes, %d and %d blocks are left", used, len(s.open), len(s.spare))
		}
	}
}

// TestOrder takes pages as a file does that is written in order: most of them follow the
// one before, and no block is part of two of the VMM's.
func TestOrder(t *testing.T) {
	const pages = 1000
	s := NewStore(pages * Size)
	var last uintptr
	gaps := 0
	for got := 0; got < pages; {
		list := make([]Page, Block)
		n := s.GetRun(list)
		if n == 0 {
			t.Fatal("no room")
		}
		got += n
		if addr := list[0].Addr(); addr%blockSize != 0 {
			t.Fatalf("a block at %#x", addr)
		} else if addr != last {
			gaps++
		}
		last = list[n-1].Addr() + Size
	}
	if most := pages*Size/(extent-blockSize) + 2; gaps > most {
		t.Errorf("%d gaps, want at most %d", gaps, most)
	}
}

func TestRuns(t *testing.T) {
	for _, c := range []struct {
		free uint16
		n    int
		want uint16
	}{{0, 1, 0}, {5, 1, 5}, {5, 2, 0}, {0b1011_0110, 2, 0b0001_0010}, {0xffff, 16, 1}, {0x7fff, 16, 0}} {
		if got := runsOf(c.free, c.n); got != c.want {
			t.Errorf("runsOf(%b, %d) = %b, want %b", c.free, c.n, got, c.want)
		}
	}
}
