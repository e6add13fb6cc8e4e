// Command stores writes to embedded stores, reads back, and serves what became of it.
package main

import (
	"database/sql"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"path/filepath"

	"github.com/cockroachdb/pebble"
	"github.com/dgraph-io/badger/v4"
	"github.com/syndtr/goleveldb/leveldb"
	"go.etcd.io/bbolt"
	_ "modernc.org/sqlite"
)

const rows = 2000

func main() {
	dir := os.TempDir()
	if len(os.Args) > 1 {
		dir = os.Args[1]
	}
	for _, s := range []struct {
		name string
		try  func(dir string) error
	}{
		{"badger", tryBadger}, {"pebble", tryPebble}, {"bbolt", tryBolt}, {"goleveldb", tryLevel},
		{"sqlite", trySQLite},
	} {
		err := s.try(filepath.Join(dir, s.name))
		fmt.Println(s.name, err)
		http.HandleFunc("/"+s.name, func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, s.name, " ", err) })
	}
	log.Fatal(http.ListenAndServe(":8080", nil))
}

func key(i int) []byte   { return fmt.Appendf(nil, "key-%06d", i) }
func value(i int) []byte { return fmt.Appendf(nil, "value-%d", i*i) }

// check reads all back by get.
func check(get func(key []byte) ([]byte, error)) error {
	for i := range rows {
		got, err := get(key(i))
		if err != nil {
			return fmt.Errorf("%s: %w", key(i), err)
		}
		if string(got) != string(value(i)) {
			return fmt.Errorf("%s is %q", key(i), got)
		}
	}
	return nil
}

func tryBadger(dir string) (err error) {
	for range 2 { // the second time what is there is opened again
		db, err := badger.Open(badger.DefaultOptions(dir).WithLoggingLevel(badger.WARNING).WithMemTableSize(8 << 20).WithValueLogFileSize(16 << 20))
		if err != nil {
			return err
		}
		wb := db.NewWriteBatch()
		for i := range rows {
			if err := wb.Set(key(i), value(i)); err != nil {
				return err
			}
		}
		if err := wb.Flush(); err != nil {
			return err
		}
		err = check(func(k []byte) (v []byte, err error) {
			err = db.View(func(tx *badger.Txn) error {
				item, err := tx.Get(k)
				if err != nil {
					return err
				}
				v, err = item.ValueCopy(nil)
				return err
			})
			return v, err
		})
		if err := errors.Join(err, db.Close()); err != nil {
			return err
		}
	}
	return nil
}

func tryPebble(dir string) error {
	for range 2 {
		db, err := pebble.Open(dir, &pebble.Options{})
		if err != nil {
			return err
		}
		for i := range rows {
			if err := db.Set(key(i), value(i), pebble.NoSync); err != nil {
				return err
			}
		}
		if err := db.Flush(); err != nil {
			return err
		}
		err = check(func(k []byte) ([]byte, error) {
			v, closer, err := db.Get(k)
			if err != nil {
				return nil, err
			}
			defer closer.Close()
			return append([]byte(nil), v...), nil
		})
		if err := errors.Join(err, db.Close()); err != nil {
			return err
		}
	}
	return nil
}

func tryBolt(file string) error {
	for range 2 {
		db, err := bbolt.Open(file, 0o600, nil)
		if err != nil {
			return err
		}
		err = db.Update(func(tx *bbolt.Tx) error {
			b, err := tx.CreateBucketIfNotExists([]byte("b"))
			if err != nil {
				return err
			}
			for i := range rows {
				if err := b.Put(key(i), value(i)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
		err = db.View(func(tx *bbolt.Tx) error {
			return check(func(k []byte) ([]byte, error) { return tx.Bucket([]byte("b")).Get(k), nil })
		})
		if err := errors.Join(err, db.Close()); err != nil {
			return err
		}
	}
	return nil
}

func tryLevel(dir string) error {
	for range 2 {
		db, err := leveldb.OpenFile(dir, nil)
		if err != nil {
			return err
		}
		for i := range rows {
			if err := db.Put(key(i), value(i), nil); err != nil {
				return err
			}
		}
		err = check(func(k []byte) ([]byte, error) { return db.Get(k, nil) })
		if err := errors.Join(err, db.Close()); err != nil {
			return err
		}
	}
	return nil
}

func trySQLite(file string) error {
	for range 2 {
		db, err := sql.Open("sqlite", file+"?_pragma=journal_mode(wal)")
		if err != nil {
			return err
		}
		if _, err := db.Exec("create table if not exists t (k text primary key, v text)"); err != nil {
			return err
		}
		tx, err := db.Begin()
		if err != nil {
			return err
		}
		for i := range rows {
			if _, err := tx.Exec("insert or replace into t values (?, ?)", string(key(i)), string(value(i))); err != nil {
				return err
			}
		}
		if err := tx.Commit(); err != nil {
			return err
		}
		err = check(func(k []byte) (v []byte, err error) {
			err = db.QueryRow("select v from t where k = ?", string(k)).Scan(&v)
			return v, err
		})
		if err := errors.Join(err, db.Close()); err != nil {
			return err
		}
	}
	return nil
}
