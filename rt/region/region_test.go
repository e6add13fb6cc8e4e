package region

import (
	"math/rand/v2"
	"testing"
)

// TestModel compares a table with one entry for each page.
func TestModel(t *testing.T) {
	const pages, base = 64, 1 << 20
	for seed := range uint64(200) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		var table Table
		table.Init(base, base+pages*Page)
		model := [pages]int{}
		for i := range model {
			model[i] = -1
		}
		for range 300 {
			start := rnd.IntN(pages)
			n := 1 + rnd.IntN(pages-start)
			lo, hi := uintptr(base+start*Page), uintptr(base+(start+n)*Page)
			prot := rnd.IntN(4) - 1
			switch {
			case rnd.IntN(4) == 0:
				size := uintptr(1+rnd.IntN(20)) * Page
				at := table.Search(size)
				if at == 0 {
					checkNoGap(t, model[:], int(size/Page))
					continue
				}
				for p := at; p < at+size; p += Page {
					if model[(p-base)/Page] != -1 {
						t.Fatalf("seed %d: Search gave a range that is taken", seed)
					}
				}
				continue
			case prot < 0:
				table.Remove(lo, hi)
			default:
				table.Set(lo, hi, prot)
			}
			for p := start; p < start+n; p++ {
				model[p] = prot
			}
			check(t, &table, model[:], base)
		}
	}
}

func checkNoGap(t *testing.T, model []int, n int) {
	run := 0
	for _, p := range model {
		if run++; p != -1 {
			run = 0
		}
		if run >= n {
			t.Fatalf("Search found nothing, but %d free pages are there", n)
		}
	}
}

// check compares what the table says of each page, and that it is in order and merged.
func check(t *testing.T, table *Table, model []int, base uintptr) {
	t.Helper()
	for i, want := range model {
		addr := base + uintptr(i)*Page
		got := -1
		if k := table.Find(addr); k < table.Len() && table.At(k).Start <= addr {
			got = table.At(k).Prot
		}
		if got != want {
			t.Fatalf("page %d has protection %d, want %d", i, got, want)
		}
		if table.Free(addr, Page) != (want == -1) {
			t.Fatalf("page %d: Free is wrong", i)
		}
		if want > 0 && !table.Covers(addr, Page, want) {
			t.Fatalf("page %d: Covers is wrong", i)
		}
	}
	for i := 1; i < table.Len(); i++ {
		a, b := table.At(i-1), table.At(i)
		if a.End > b.Start || a.Start >= a.End || a.End == b.Start && a.Prot == b.Prot {
			t.Fatalf("regions %+v and %+v are out of order or not merged", a, b)
		}
	}
}

// TestFull checks that a full table refuses to grow and stays as it was.
func TestFull(t *testing.T) {
	table := new(Table)
	table.Init(Page, Page*(4*Max))
	for i := range uintptr(Max) {
		if !table.Set(Page*(2*i+1), Page*(2*i+2), 1) {
			t.Fatalf("the table is full after %d regions", i)
		}
	}
	if table.Set(Page*(3*Max), Page*(3*Max+1), 1) {
		t.Fatal("a full table took another region")
	}
	if table.Len() != Max {
		t.Fatalf("the table has %d regions, want %d", table.Len(), Max)
	}
	if !table.Remove(Page*5, Page*6) || !table.Set(Page*2, Page*3, 1) || table.Len() != Max-2 {
		t.Fatal("a full table cannot become smaller")
	}
}

// TestBounds checks ranges that are not inside, and those that wrap around.
func TestBounds(t *testing.T) {
	var table Table
	table.Init(16*Page, 32*Page)
	for _, r := range [][2]uintptr{{0, Page}, {15 * Page, 2 * Page}, {31 * Page, 2 * Page}, {20 * Page, ^uintptr(0) - Page}, {33 * Page, 0}} {
		if table.Inside(r[0], r[1]) || table.Free(r[0], r[1]) || table.Covers(r[0], r[1], 0) {
			t.Errorf("[%#x, +%#x) passes for inside", r[0], r[1])
		}
	}
	if table.Search(0) != 0 || table.Search(17*Page) != 0 {
		t.Error("Search found what cannot be")
	}
}
