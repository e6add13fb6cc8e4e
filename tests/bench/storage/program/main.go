// Command program uses the files of a directory in the ways that take time, and
// prints how fast that was, one line "NAME VALUE" each. It is run twice:
//
//	program DIR write    makes files and changes them
//	program DIR read     reads them, in another machine or process
package main

import (
	"database/sql"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	_ "modernc.org/sqlite"
)

const (
	fileSize = 128 << 20
	piece    = 1 << 20
	block    = 4096
)

// bench is one way to use files: it does something n times.
type bench struct {
	name string
	unit float64 // of what is printed for each time; 1: times a second
	run  func(dir string, n int) error
	n    int // 0: for as long as duration
}

// duration is how long a bench takes.
const duration = 2 * time.Second

const megabytes = piece / 1e6

var phases = map[string][]bench{
	"write": {
		{"sequential-write", megabytes, sequentialWrite, fileSize / piece},
		{"synced-write", 1, syncedWrite, 0},
		{"synced-append", 1, syncedAppend, 0},
		{"create-rename-unlink", 1, names, 0},
		{"sqlite-insert", 1, insert(1), 0},
		{"sqlite-insert-1000", 1000, insert(1000), 0},
	},
	"read": {
		{"first-read", megabytes, sequentialRead, fileSize / piece},
		{"cached-read", fileSize / 1e6, cachedRead(piece), 0},
		{"cached-read-64K", fileSize / 1e6, cachedRead(64 << 10), 0},
		{"cached-read-4K", fileSize / 1e6, cachedRead(block), 0},
		{"random-read", 1, randomRead, 0},
	},
}

func main() {
	log.SetFlags(0)
	if len(os.Args) != 3 || phases[os.Args[2]] == nil {
		log.Fatal("usage: program DIR write|read")
	}
	for _, b := range phases[os.Args[2]] {
		rate, err := b.measure(os.Args[1])
		if err != nil {
			log.Fatalf("%s: %v", b.name, err)
		}
		fmt.Printf("%s %.4g\n", b.name, rate)
	}
}

// measure returns units a second.
func (b *bench) measure(dir string) (float64, error) {
	if b.n > 0 {
		start := time.Now()
		err := b.run(dir, b.n)
		return float64(b.n) * b.unit / time.Since(start).Seconds(), err
	}
	done, start := 0, time.Now()
	for n := 1; time.Since(start) < duration; n = max(1, done/4) {
		if err := b.run(dir, n); err != nil {
			return 0, err
		}
		done += n
	}
	return float64(done) * b.unit / time.Since(start).Seconds(), nil
}

func sequentialWrite(dir string, n int) error {
	f, err := os.Create(filepath.Join(dir, "file"))
	if err != nil {
		return err
	}
	defer f.Close()
	b := make([]byte, piece)
	for i := range b {
		b[i] = byte(i * i)
	}
	for range n {
		if _, err := f.Write(b); err != nil {
			return err
		}
	}
	return f.Sync()
}

func sequentialRead(dir string, n int) error {
	f, err := os.Open(filepath.Join(dir, "file"))
	if err != nil {
		return err
	}
	defer f.Close()
	b := make([]byte, piece)
	for range n {
		if _, err := io.ReadFull(f, b); err != nil {
			return err
		}
	}
	return nil
}

// cachedRead returns how to read the file from its beginning to its end, in pieces of
// some size.
func cachedRead(size int) func(dir string, n int) error {
	return func(dir string, n int) error {
		f, err := os.Open(filepath.Join(dir, "file"))
		if err != nil {
			return err
		}
		defer f.Close()
		b := make([]byte, size)
		for range n {
			for off := int64(0); off < fileSize; off += int64(size) {
				if _, err := f.ReadAt(b, off); err != nil {
					return err
				}
			}
		}
		return nil
	}
}

func randomRead(dir string, n int) error {
	f, err := os.Open(filepath.Join(dir, "file"))
	if err != nil {
		return err
	}
	defer f.Close()
	b := make([]byte, block)
	for range n {
		if _, err := f.ReadAt(b, rand.Int64N(fileSize/block)*block); err != nil {
			return err
		}
	}
	return nil
}

func syncedWrite(dir string, n int) error {
	f, err := os.OpenFile(filepath.Join(dir, "file"), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	b := make([]byte, block)
	for range n {
		if _, err := f.WriteAt(b, rand.Int64N(fileSize/block)*block); err != nil {
			return err
		}
		if err := f.Sync(); err != nil {
			return err
		}
	}
	return nil
}

func syncedAppend(dir string, n int) error {
	f, err := os.OpenFile(filepath.Join(dir, "log"), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	b := make([]byte, 100)
	for range n {
		if _, err := f.Write(b); err != nil {
			return err
		}
		if err := f.Sync(); err != nil {
			return err
		}
	}
	return nil
}

func names(dir string, n int) error {
	name := filepath.Join(dir, "name")
	for range n {
		f, err := os.Create(name)
		if err != nil {
			return err
		}
		if err := f.Close(); err != nil {
			return err
		}
		if err := os.Rename(name, name+"2"); err != nil {
			return err
		}
		if err := os.Remove(name + "2"); err != nil {
			return err
		}
	}
	return nil
}

// insert returns how to insert rows into a table of sqlite, so many in each
// transaction, as sqlite does it when nobody tells it otherwise.
func insert(rows int) func(dir string, n int) error {
	return func(dir string, n int) error {
		db, err := sql.Open("sqlite", filepath.Join(dir, "db"))
		if err != nil {
			return err
		}
		defer db.Close()
		if _, err := db.Exec("CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, text TEXT)"); err != nil {
			return err
		}
		for range n {
			tx, err := db.Begin()
			if err != nil {
				return err
			}
			for range rows {
				if _, err := tx.Exec("INSERT INTO t (text) VALUES (?)", "some text that is neither long nor short"); err != nil {
					return err
				}
			}
			if err := tx.Commit(); err != nil {
				return err
			}
		}
		return nil
	}
}
