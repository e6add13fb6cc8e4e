package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// record is some content that can be recognised: length, version and checksum,
// and then what a generator makes of the version.
func record(version uint64, length int) []byte {
	b := make([]byte, recordHead+length)
	r := rand.New(rand.NewPCG(version, uint64(length)))
	for i := recordHead; i < len(b); i++ {
		b[i] = byte(r.Uint32())
	}
	le := binary.LittleEndian
	le.PutUint32(b, uint32(length))
	le.PutUint64(b[4:], version)
	le.PutUint32(b[12:], crc32.ChecksumIEEE(b[recordHead:])^uint32(version)^uint32(length))
	return b
}

const recordHead = 16

// parse returns the version and the size of the record that b begins with; 0 if
// there is none, or not all of it.
func parse(b []byte) (version uint64, size int) {
	if len(b) < recordHead {
		return 0, 0
	}
	le := binary.LittleEndian
	length, version := le.Uint32(b), le.Uint64(b[4:])
	if uint64(length) > uint64(len(b)-recordHead) {
		return 0, 0
	}
	size = recordHead + int(length)
	if crc32.ChecksumIEEE(b[recordHead:size])^uint32(version)^length != le.Uint32(b[12:]) {
		return 0, 0
	}
	return version, size
}

// replaced is a file that is never changed, but replaced by a new one, as
// configurations are.
type replaced struct {
	name    string
	version uint64
}

func (s *replaced) check() error {
	b, err := os.ReadFile(path(s.name))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		have(s.name, 0)
		return nil
	case err != nil:
		return err
	}
	version, size := parse(b)
	if size != len(b) || size == 0 {
		return fmt.Errorf("%s has %d bytes, of which %d make sense", s.name, len(b), size)
	}
	s.version = version
	have(s.name, version)
	return nil
}

func (s *replaced) step(r *rand.Rand) error {
	version := s.version + 1
	length := r.IntN(1000)
	if r.IntN(4) == 0 {
		length = r.IntN(300_000)
	}
	if err := replace(path(s.name), record(version, length)); err != nil {
		return err
	}
	s.version = version
	synced(s.name, version)
	return nil
}

// appended is a file to which records are added at the end, as to logs.
type appended struct {
	name    string
	version uint64 // of the last record
	size    int64
	file    *os.File
}

// check leaves out what follows the last whole record.
func (s *appended) check() (err error) {
	if s.file, err = os.OpenFile(path(s.name), os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600); err != nil {
		return err
	}
	b, err := os.ReadFile(path(s.name))
	if err != nil {
		return err
	}
	s.size, s.version = 0, 0
	for {
		version, n := parse(b[s.size:])
		if n == 0 {
			break
		}
		if s.size > 0 && version != s.version+1 {
			return fmt.Errorf("%s: record %d follows record %d", s.name, version, s.version)
		}
		s.version, s.size = version, s.size+int64(n)
	}
	have(s.name, s.version)
	return s.file.Truncate(s.size)
}

func (s *appended) step(r *rand.Rand) error {
	if s.size > 1<<20 {
		version := s.version + 1
		if err := replace(path(s.name), record(version, 10)); err != nil {
			return err
		}
		synced(s.name, version)
		s.file.Close()
		return s.check()
	}
	for range 1 + r.IntN(8) {
		b := record(s.version+1, r.IntN(1<<r.IntN(15)))
		if n, err := s.file.Write(b); err != nil || n < len(b) {
			return errors.Join(err, s.file.Truncate(s.size))
		}
		s.version++
		s.size += int64(len(b))
	}
	if err := s.file.Sync(); err != nil {
		return err
	}
	synced(s.name, s.version)
	return nil
}

// blocks is a file whose blocks are overwritten in place, as databases do.
type blocks struct {
	name     string
	file     *os.File
	versions [blockCount]uint64
	changed  map[int]bool
}

const (
	blockSize  = 4096
	blockCount = 64
)

func (s *blocks) check() (err error) {
	if _, err := os.Stat(path(s.name)); errors.Is(err, fs.ErrNotExist) {
		var b []byte
		for range blockCount {
			b = append(b, record(0, blockSize-recordHead)...)
		}
		if err := replace(path(s.name), b); err != nil {
			return err
		}
	}
	if s.file, err = os.OpenFile(path(s.name), os.O_RDWR, 0); err != nil {
		return err
	}
	s.changed = map[int]bool{}
	b := make([]byte, blockSize)
	for i := range s.versions {
		if _, err := s.file.ReadAt(b, int64(i)*blockSize); err != nil {
			return err
		}
		version, n := parse(b)
		if n != blockSize || version%blockCount != uint64(i) && version != 0 {
			return fmt.Errorf("%s: block %d is damaged, or of version %d", s.name, i, version)
		}
		s.versions[i] = version
		have(s.name+"/"+strconv.Itoa(i), version)
	}
	return nil
}

// step overwrites a few blocks. A version says which block it is for.
func (s *blocks) step(r *rand.Rand) error {
	first := r.IntN(blockCount)
	n := min(1+r.IntN(4), blockCount-first)
	var b []byte
	before := s.versions
	for i := first; i < first+n; i++ {
		s.versions[i] = s.versions[i]/blockCount*blockCount + blockCount + uint64(i)
		s.changed[i] = true
		b = append(b, record(s.versions[i], blockSize-recordHead)...)
	}
	if done, err := s.file.WriteAt(b, int64(first)*blockSize); err != nil {
		from := first + done/blockSize // what was not written is as it was
		copy(s.versions[from:first+n], before[from:])
		return err
	}
	if r.IntN(3) > 0 {
		return nil
	}
	if err := s.file.Sync(); err != nil {
		return err
	}
	for i := range s.changed {
		synced(s.name+"/"+strconv.Itoa(i), s.versions[i])
	}
	clear(s.changed)
	return nil
}

// names is a directory with the last few files of a sequence.
type names struct {
	name string
	last uint64
}

const nameCount = 5

func (s *names) check() error {
	if err := os.MkdirAll(path(s.name), 0o700); err != nil {
		return err
	}
	entries, err := os.ReadDir(path(s.name))
	if err != nil {
		return err
	}
	numbers := map[uint64]bool{}
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".new") {
			if err := os.Remove(path(s.name, e.Name())); err != nil {
				return err
			}
			continue
		}
		n, err := strconv.ParseUint(e.Name(), 10, 64)
		if err != nil {
			return err
		}
		b, err := os.ReadFile(path(s.name, e.Name()))
		if err != nil {
			return err
		}
		if version, size := parse(b); version != n || size != len(b) {
			return fmt.Errorf("%s/%d: %d bytes with version %d", s.name, n, len(b), version)
		}
		numbers[n] = true
		s.last = max(s.last, n)
	}
	for n := s.last; n > 0 && n+nameCount > s.last; n-- {
		if !numbers[n] {
			return fmt.Errorf("%s: %d is there, and %d is not", s.name, s.last, n)
		}
	}
	for n := range numbers {
		switch {
		case n+nameCount < s.last:
			return fmt.Errorf("%s: %d is there, and still %d", s.name, s.last, n)
		case n+nameCount == s.last: // it was about to be removed
			if err := os.Remove(path(s.name, strconv.FormatUint(n, 10))); err != nil {
				return err
			}
		}
	}
	have(s.name, s.last)
	return nil
}

func (s *names) step(r *rand.Rand) error {
	n := s.last + 1
	name := path(s.name, strconv.FormatUint(n, 10))
	if err := replace(name, record(n, r.IntN(5000))); err != nil {
		return err
	}
	s.last = n
	if n > nameCount {
		// There must be room for this even when the disk is full.
		if err := os.Remove(path(s.name, strconv.FormatUint(n-nameCount, 10))); err != nil {
			return fmt.Errorf("after %d: %v", n, err)
		}
	}
	if err := syncDir(path(s.name)); err != nil {
		return err
	}
	synced(s.name, n)
	return nil
}

// moved is a file that moves from one directory to another and back. There is
// always one of it.
type moved struct{ here, there string }

func (s *moved) check() error {
	s.here, s.there = path("here"), path("there")
	for _, d := range []string{s.here, s.there} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return err
		}
	}
	_, errHere := os.Stat(s.here + "/file")
	_, errThere := os.Stat(s.there + "/file")
	switch {
	case errHere == nil && errThere == nil:
		return errors.New("the file is at two places")
	case errHere == nil:
	case errThere == nil:
		s.here, s.there = s.there, s.here
	default:
		if _, err := os.Stat(path("moved")); err == nil {
			return errors.New("the file is lost")
		}
		if err := create(s.here+"/file", record(1, 100)); err != nil {
			return err
		}
		if err := syncDir(s.here); err != nil {
			return err
		}
		if err := errors.Join(create(path("moved"), nil), syncDir(dir)); err != nil {
			return err
		}
	}
	b, err := os.ReadFile(s.here + "/file")
	if err != nil {
		return err
	}
	if version, _ := parse(b); version != 1 {
		return errors.New("the file that moves is damaged")
	}
	return nil
}

func (s *moved) step(r *rand.Rand) error {
	if err := os.Rename(s.here+"/file", s.there+"/file"); err != nil {
		return err
	}
	s.here, s.there = s.there, s.here
	if r.IntN(10) == 0 {
		syscall.Sync()
	}
	return syncDir(s.here)
}

// filler fills the disk now and then, and empties it again.
type filler struct{}

func (filler) check() error {
	err := os.Remove(path("filler"))
	if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return err
}

func (filler) step(r *rand.Rand) error {
	f, err := os.Create(path("filler"))
	if err != nil {
		return err
	}
	defer f.Close()
	b := make([]byte, 1<<20)
	for range r.IntN(60) { // MB, which is more than there is room for
		if _, err = f.Write(b); err != nil {
			break
		}
	}
	if errRemove := os.Remove(path("filler")); errRemove != nil {
		return fmt.Errorf("making room: %v", errRemove)
	}
	return err
}
