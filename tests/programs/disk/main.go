// Command disk uses /dev/vda as a program would that keeps its data on a raw
// disk. Its properties want a disk of at least 16 MB; "kept" wants what "raw" has
// left there. "stored", "found", "damaged" and "crowded" want a volume in /data. The
// others say what they want.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"ringo.dev/ringo/tests/guests/check"
)

func main() {
	check.Main(check.Properties{
		"raw":        raw,
		"kept":       kept,
		"parallel":   parallel,
		"unaligned":  unaligned,
		"ioctl":      ioctl,
		"zeroes":     func() error { return zeroes(true) },
		"written":    func() error { return zeroes(false) },
		"counted":    counted,
		"end":        end,
		"second":     second,
		"partitions": partitions,
		"readonly":   readOnly,
		"absent":     absent,
		"stored":     stored,
		"panic":      func() error { return storedUntil(func() { panic("as requested") }) },
		"terminated": func() error { return storedUntil(terminate) },
		"found":      found,
		"damaged":    damaged,
		"crowded":    crowded,
	})
}

const (
	name  = "/dev/vda"
	large = 5 << 20
)

// pattern returns n bytes that differ by place and seed.
func pattern(n, seed int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte((i>>9+seed)*31 + i)
	}
	return b
}

// use calls f with the disk.
func use(flags int, f func(*os.File) error) error {
	d, err := os.OpenFile(name, flags, 0)
	if err != nil {
		return err
	}
	if err := f(d); err != nil {
		return err
	}
	return d.Close()
}

// raw writes a lot and makes it durable.
func raw() error {
	return use(os.O_RDWR, func(d *os.File) error {
		st, err := d.Stat()
		if err != nil {
			return err
		}
		if st.Mode().Type() != os.ModeDevice {
			return fmt.Errorf("its mode is %v", st.Mode())
		}
		if _, err := d.Write(pattern(large, 1)); err != nil {
			return err
		}
		if err := d.Sync(); err != nil {
			return err
		}
		return compare(d, 0, pattern(large, 1))
	})
}

// kept finds what raw wrote in another machine.
func kept() error {
	return use(os.O_RDONLY, func(d *os.File) error { return compare(d, 0, pattern(large, 1)) })
}

func compare(d *os.File, off int64, want []byte) error {
	got := make([]byte, len(want))
	if _, err := d.ReadAt(got, off); err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("%d bytes at %d are not what was written", len(want), off)
	}
	return nil
}

// parallel has several goroutines write, read and flush at the same time.
func parallel() error {
	return use(os.O_RDWR, func(d *os.File) error {
		const writers, rounds, size = 8, 20, 100 << 10
		errs := make([]error, writers)
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() {
				off := int64(8<<20 + w*2*size)
				for i := range rounds {
					want := pattern(size-512*i, w*rounds+i)
					_, err := d.WriteAt(want, off)
					if err == nil && i%4 == 0 {
						err = d.Sync()
					}
					if err == nil {
						err = compare(d, off, want)
					}
					if err != nil {
						errs[w] = err
						return
					}
				}
			})
		}
		wg.Wait()
		return errors.Join(errs...)
	})
}

// unaligned writes and reads parts of sectors.
func unaligned() error {
	return use(os.O_RDWR|os.O_SYNC, func(d *os.File) error {
		const at = 6 << 20
		want := pattern(8192, 7)
		if _, err := d.WriteAt(want, at); err != nil {
			return err
		}
		for _, c := range []struct{ off, n int }{{0, 1}, {511, 2}, {700, 4000}, {4095, 513}, {8191, 1}} {
			p := pattern(c.n, c.off)
			copy(want[c.off:], p)
			if _, err := d.WriteAt(p, int64(at+c.off)); err != nil {
				return err
			}
			if err := compare(d, int64(at+c.off), p); err != nil {
				return err
			}
		}
		return compare(d, at, want)
	})
}

// ioctl asks what programs ask of disks.
func ioctl() error {
	return use(os.O_RDWR, func(d *os.File) error {
		size, err := d.Seek(0, io.SeekEnd)
		if err != nil {
			return err
		}
		var size64 uint64
		var sector uint32
		for request, to := range map[uintptr]unsafe.Pointer{
			0x80081272: unsafe.Pointer(&size64), // BLKGETSIZE64
			0x1268:     unsafe.Pointer(&sector), // BLKSSZGET
			0x1261:     nil,                     // BLKFLSBUF
		} {
			if _, _, e := syscall.Syscall(syscall.SYS_IOCTL, d.Fd(), request, uintptr(to)); e != 0 {
				return fmt.Errorf("ioctl %#x: %w", request, e)
			}
		}
		if err := check.Equal("the size", int64(size64), size); err != nil {
			return err
		}
		table, err := os.ReadFile("/proc/partitions")
		if err != nil {
			return err
		}
		if line := fmt.Sprintf(" %d vda\n", size/1024); !strings.Contains(string(table), line) {
			return fmt.Errorf("no %q in /proc/partitions:\n%s", line, table)
		}
		return check.Equal("the size of a sector", sector, 512)
	})
}

// zeroes makes zeroes, and discards, between data that stays. able says whether the
// disk can: if not, the zeroes are written, and what cannot be done is refused.
func zeroes(able bool) error {
	const (
		at, size, off, n    = 12 << 20, 3 << 20, 512, 2<<20 + 1536
		blkDiscard          = 0x1277
		blkZeroOut          = 0x127f
		keepSize, punchHole = 1, 2
		zeroRange           = 16
	)
	var refused error
	if !able {
		refused = syscall.EOPNOTSUPP
	}
	ioctl := func(request uintptr) func(*os.File) error {
		return func(d *os.File) error {
			span := [2]uint64{at + off, n}
			if _, _, e := syscall.Syscall(syscall.SYS_IOCTL, d.Fd(), request, uintptr(unsafe.Pointer(&span))); e != 0 {
				return e
			}
			return nil
		}
	}
	fallocate := func(mode uint32) func(*os.File) error {
		return func(d *os.File) error { return syscall.Fallocate(int(d.Fd()), mode, at+off, n) }
	}
	for _, c := range []struct {
		name string
		do   func(*os.File) error
		want error
		any  bool // what is there afterwards can be anything
	}{
		{"BLKZEROOUT", ioctl(blkZeroOut), nil, false},
		{"FALLOC_FL_ZERO_RANGE", fallocate(zeroRange | keepSize), nil, false},
		{"FALLOC_FL_PUNCH_HOLE", fallocate(punchHole | keepSize), refused, false},
		{"BLKDISCARD", ioctl(blkDiscard), refused, true},
	} {
		err := use(os.O_RDWR, func(d *os.File) error {
			want := pattern(size, len(c.name))
			if _, err := d.WriteAt(want, at); err != nil {
				return err
			}
			if err := c.do(d); err != c.want {
				return fmt.Errorf("%v, want %v", err, c.want)
			}
			middle := want[off:][:n]
			switch {
			case c.want == nil && !c.any:
				clear(middle)
			case c.want == nil:
				if _, err := d.ReadAt(middle, at+off); err != nil {
					return err
				}
			}
			if err := d.Sync(); err != nil {
				return err
			}
			return compare(d, at, want)
		})
		if err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
		err = use(os.O_RDONLY, c.do)
		if err := check.Is(c.name+" of a disk that is open for reading", err, syscall.EBADF); err != nil {
			return err
		}
	}
	return nil
}

// end reads and writes at the disk's end.
func end() error {
	return use(os.O_RDWR, func(d *os.File) error {
		size, err := d.Seek(-100, io.SeekEnd)
		if err != nil {
			return err
		}
		size += 100
		if n, err := d.Write(make([]byte, 200)); n != 100 {
			return fmt.Errorf("200 bytes for the last 100: wrote %d, %v", n, err)
		}
		if n, err := d.ReadAt(make([]byte, 200), size-100); n != 100 || err != io.EOF {
			return fmt.Errorf("read %d of the last 100, %v", n, err)
		}
		_, err = d.WriteAt([]byte("x"), size)
		return check.Is("writing beyond the end", err, syscall.ENOSPC)
	})
}

// second wants a second disk that holds another machine's greeting.
func second() error {
	d, err := os.Open("/dev/vdb")
	if err != nil {
		return err
	}
	defer d.Close()
	got := make([]byte, 16)
	if _, err := io.ReadFull(d, got); err != nil {
		return err
	}
	return check.Equal("the second disk", string(got), "the second disk\n")
}

// partitions wants a disk with the partitions 1 and 4, of 51200 and 512000
// bytes, which begin with their names.
func partitions() error {
	for name, size := range map[string]int64{"vda1": 51200, "vda4": 512000} {
		d, err := os.OpenFile("/dev/"+name, os.O_RDWR, 0)
		if err != nil {
			return err
		}
		got := make([]byte, len(name))
		if _, err := io.ReadFull(d, got); err != nil {
			return err
		}
		if err := check.Equal("the content of "+name, string(got), name); err != nil {
			return err
		}
		if end, err := d.Seek(0, io.SeekEnd); err != nil || end != size {
			return fmt.Errorf("%s has %d bytes, %v", name, end, err)
		}
		if _, err := d.WriteAt([]byte(name), 512); err != nil {
			return err
		}
		if err := d.Sync(); err != nil {
			return err
		}
		d.Close()
	}
	return nil
}

// counted looks at what /proc/diskstats says of transfers.
func counted() error {
	const size = 64 << 10
	before, err := counters()
	if err != nil {
		return err
	}
	err = use(os.O_RDWR, func(d *os.File) error {
		if _, err := d.WriteAt(pattern(size, 1), 0); err != nil {
			return err
		}
		if err := d.Sync(); err != nil {
			return err
		}
		return compare(d, 0, pattern(size, 1))
	})
	if err != nil {
		return err
	}
	after, err := counters()
	if err != nil {
		return err
	}
	const reads, sectorsRead, writes, sectorsWritten, pending, flushes = 0, 2, 4, 6, 8, 15
	for field, want := range map[int]uint64{sectorsRead: size / 512, sectorsWritten: size / 512, pending: 0} {
		if err := check.Equal(fmt.Sprintf("field %d", field), after[field]-before[field], want); err != nil {
			return err
		}
	}
	for _, field := range []int{reads, writes, flushes} {
		if after[field] <= before[field] {
			return fmt.Errorf("field %d was %d and is %d", field, before[field], after[field])
		}
	}
	return nil
}

// counters returns the disk's line of /proc/diskstats.
func counters() (list [17]uint64, err error) {
	data, err := os.ReadFile("/proc/diskstats")
	if err != nil {
		return list, err
	}
	_, line, ok := strings.Cut(string(data), " "+strings.TrimPrefix(name, "/dev/")+" ")
	line, _, _ = strings.Cut(line, "\n")
	fields := strings.Fields(line)
	if !ok || len(fields) != len(list) {
		return list, fmt.Errorf("it is %q", data)
	}
	for i, f := range fields {
		if list[i], err = strconv.ParseUint(f, 10, 64); err != nil {
			return list, err
		}
	}
	return list, nil
}

// readOnly wants a disk that cannot be written.
func readOnly() error {
	_, err := os.OpenFile(name, os.O_RDWR, 0)
	if err := check.Is("opening it for writing", err, syscall.EROFS); err != nil {
		return err
	}
	return use(os.O_RDONLY, func(d *os.File) error {
		_, err := io.ReadFull(d, make([]byte, 4096))
		return err
	})
}

// absent wants a machine without a disk.
func absent() error {
	if _, err := os.Stat(name); !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%s: %v", name, err)
	}
	return nil
}

// The files of stored. Their content can be found on the disk.
const (
	whole, broken = "/data/dir/whole", "/data/dir/broken"
	mark          = "this is the place to flip a bit"
)

func content(name string) []byte {
	return append(pattern(1<<20, len(name)), name+": "+mark...)
}

// stored makes files and leaves it to the machine's end to bring them to the disk.
func stored() error {
	if err := os.MkdirAll("/data/dir", 0o700); err != nil {
		return err
	}
	for _, name := range []string{whole, broken} {
		if err := os.WriteFile(name, content(name), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// storedUntil is stored in a program that ends otherwise than by itself.
func storedUntil(end func()) error {
	if err := stored(); err != nil {
		return err
	}
	end()
	return errors.New("it did not end")
}

func terminate() {
	syscall.Kill(os.Getpid(), syscall.SIGTERM)
	select {}
}

// found finds what stored has made in another machine.
func found() error {
	for _, name := range []string{whole, broken} {
		if b, err := os.ReadFile(name); err != nil || !bytes.Equal(b, content(name)) {
			return fmt.Errorf("%s: %d bytes, %v", name, len(b), err)
		}
	}
	return nil
}

// damaged finds one file damaged, and all else as it was.
func damaged() error {
	b, err := os.ReadFile(broken)
	if err := check.Is("reading the damaged file", err, syscall.EIO); err != nil {
		return err
	}
	if !bytes.HasPrefix(content(broken), b) {
		return errors.New("wrong data was read")
	}
	if b, err := os.ReadFile(whole); err != nil || !bytes.Equal(b, content(whole)) {
		return fmt.Errorf("%s: %d bytes, %v", whole, len(b), err)
	}
	return os.WriteFile("/data/dir/new", []byte("x"), 0o600)
}

// crowded wants fsync not to wait for goroutines that compute, one for each CPU: it
// may take a few times as long as without them or, as on a host that is busy itself,
// the turn of one of them.
func crowded() error {
	f, err := os.Create("/data/crowded")
	if err != nil {
		return err
	}
	defer f.Close()
	save := func() error {
		if _, err := f.Write([]byte("a few bytes more\n")); err != nil {
			return err
		}
		return f.Sync()
	}
	idle, err := median(save)
	if err != nil {
		return err
	}
	var stop atomic.Bool
	defer stop.Store(true)
	for range runtime.GOMAXPROCS(0) {
		go func() {
			for !stop.Load() {
			}
		}()
	}
	const attempts, times = 8, 8
	for range attempts {
		busy, err := median(save)
		if err != nil {
			return err
		}
		turn, _ := median(func() error { runtime.Gosched(); return nil })
		fmt.Printf("fsync takes %v, beside goroutines that compute %v; they take turns of %v\n", idle, busy, turn)
		if busy < max(times*idle, turn+turn/2) {
			return nil
		}
	}
	return errors.New("that is too long")
}

// median returns how long do takes.
func median(do func() error) (time.Duration, error) {
	var took [21]time.Duration
	for i := range took {
		start := time.Now()
		if err := do(); err != nil {
			return 0, err
		}
		took[i] = time.Since(start)
	}
	slices.Sort(took[:])
	return took[len(took)/2], nil
}
