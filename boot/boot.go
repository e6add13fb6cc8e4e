// Package boot finishes the executables that the Go linker makes of guests, so
// that they can be booted. They stay valid executables of Linux.
//
// It adds the ELF note by which ringo's VMM finds the entry point (package
// vmm/abi), what other boot loaders need (metal.go), and looks after the
// SYSCALL instructions that come from outside the standard library, which the
// overlay cannot reach: those of golang.org/x/sys/unix are led to counterparts
// in package runtime, others are reported.
package boot

import (
	"crypto/sha256"
	"embed"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"ringo.dev/ringo/vmm/abi"
)

// ErrNoGuest is returned for executables that are not built for guests.
var ErrNoGuest = errors.New("it was not built by ringo")

// Finish finishes the executable in the named file. It returns warnings for
// the user.
func Finish(name string) (warnings []string, err error) {
	data, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	if data, warnings, err = finish(data); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	// The file stays the same one, with its mode.
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	// Written anew and at once, it lies in the page cache in pieces as large as the
	// file system can, which the VMM shows the guest as large pages (package space).
	if err := f.Truncate(0); err != nil {
		return nil, err
	}
	if _, err := f.WriteAt(data, 0); err != nil {
		return nil, err
	}
	return warnings, f.Close()
}

// finish changes an executable, and returns it longer.
func finish(data []byte) (finished []byte, warnings []string, err error) {
	img, err := readImage(data)
	if err != nil {
		return nil, nil, err
	}
	note, err := img.marker()
	if err != nil {
		return nil, nil, err
	}
	desc, err := binary.Append(nil, le, note)
	if err != nil {
		return nil, nil, err
	}
	notes := encodeNote(abi.NoteName, abi.NoteType, desc)
	metal := img.metal()
	if metal != nil {
		notes = append(notes, pvhNote()...)
	}
	if err := img.addNotes(".note.ringo", notes); err != nil {
		return nil, nil, err
	}
	if warnings, err = img.redirectSyscalls(); err != nil {
		return nil, nil, err
	}
	if metal != nil {
		if err := img.addMetal(metal, note.Level); err != nil {
			warnings = append(warnings, fmt.Sprintf("only ringo's own machine monitor can boot it: %v", err))
		}
	}
	return img.data, warnings, nil
}

//go:embed *.go *.bin
var sources embed.FS

// Version identifies what Finish does: it changes with this package's source.
// The go command must not take an executable finished by another version for
// an up-to-date one.
func Version() string {
	h := sha256.New()
	names, _ := fs.Glob(sources, "*") // the pattern is valid
	for _, name := range names {
		data, _ := sources.ReadFile(name) // it was listed
		h.Write(data)
	}
	return fmt.Sprintf("%x", h.Sum(nil)[:8])
}
