// Command crash changes files in /data until it is killed. When it starts, it
// checks what the one before has left, and says what it has found:
//
//	have NAME VERSION
//	checked
//
// From then on it says what must not get lost any more:
//
//	synced NAME VERSION
//
// What must hold after a crash is that every name has at least the version that
// was synced, and that no file is in a state that it was never in.
package main

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
)

const dir = "/data"

// subject is one kind of use that programs make of files.
type subject interface {
	// check looks at what is there, and prepares for step.
	check() error
	// step makes some changes. That the disk is full is an error like any
	// other: step is called again.
	step(r *rand.Rand) error
}

func main() {
	var subjects []subject
	for i := range 2 {
		subjects = append(subjects,
			&replaced{name: fmt.Sprint("replaced", i)},
			&appended{name: fmt.Sprint("appended", i)},
			&blocks{name: fmt.Sprint("blocks", i)},
			&names{name: fmt.Sprint("names", i)})
	}
	subjects = append(subjects, &moved{}, &filler{})
	for _, s := range subjects {
		if err := s.check(); err != nil {
			fail(s, err)
		}
	}
	fmt.Println("checked")
	for _, s := range subjects {
		go func() {
			r := rand.New(rand.NewPCG(rand.Uint64(), 0))
			for {
				if err := s.step(r); err != nil && !errors.Is(err, syscall.ENOSPC) {
					fail(s, err)
				}
			}
		}()
	}
	select {}
}

func fail(s subject, err error) {
	fmt.Printf("FAIL %T: %v\n", s, err)
	os.Exit(1)
}

// have and synced report a version. The reports are single writes, so that none
// is cut in two.
func have(name string, version uint64)   { fmt.Printf("have %s %d\n", name, version) }
func synced(name string, version uint64) { fmt.Printf("synced %s %d\n", name, version) }

func path(parts ...string) string { return filepath.Join(append([]string{dir}, parts...)...) }

// syncDir makes the names in a directory durable.
func syncDir(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// create makes a file with content, durably.
func create(name string, content []byte) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// replace puts a file with content in the place of another one, durably.
func replace(name string, content []byte) error {
	if err := create(name+".new", content); err != nil {
		return err
	}
	if err := os.Rename(name+".new", name); err != nil {
		return err
	}
	return syncDir(filepath.Dir(name))
}
