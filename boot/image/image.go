// Package image makes images that a computer's firmware boots: CDs and disks
// with one program on them.
//
// A Disk is the contents of either, whatever file format it is written in
// afterwards. On it are the loader for BIOSes (package bios) and an EFI system
// partition with the one for UEFI (package uefi), which holds the program. The
// BIOS loader reads it from there, too, so that it is on the image only once.
//
// An image depends on nothing but the program and its command line: equal ones
// make equal images, byte by byte.
package image

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"

	"ringo.dev/ringo/boot"
	"ringo.dev/ringo/boot/uefi"
)

// Format is a kind of image.
type Format struct {
	layout func(*boot.Program) (*Disk, error)
	file   func(*Disk) (*Disk, error) // what a file of it is; nil: the disk itself
}

// formats are the kinds of images, by their names.
var formats = map[string]Format{
	"iso":   {layout: newCD},
	"raw":   {layout: newDisk},
	"qcow2": {newDisk, qcow2},
	"vmdk":  {newDisk, vmdk},
	"vdi":   {newDisk, vdi},
	"vhd":   {newDisk, vhd},
}

// Formats returns the names of the formats.
func Formats() []string { return slices.Sorted(maps.Keys(formats)) }

// ParseFormat returns the format of a name.
func ParseFormat(name string) (Format, error) {
	f, ok := formats[name]
	if !ok {
		return f, fmt.Errorf("the image format %q is unknown; there are %s", name, strings.Join(Formats(), ", "))
	}
	return f, nil
}

// Make returns an image that boots a program: the contents of the file.
func (f Format) Make(p *boot.Program) (*Disk, error) {
	d, err := f.layout(p)
	if err != nil || f.file == nil {
		return d, err
	}
	return f.file(d)
}

// identity returns what tells an image's parts from those of other images, such
// as a GUID: it is made of what is in the image, and of a name for the part.
func identity(p *boot.Program, part string) (id [16]byte) {
	h := sha256.New()
	fmt.Fprintf(h, "%s\x00%s\x00%d %d\x00", part, p.Line, p.End, p.Entry)
	h.Write(p.Data)
	copy(id[:], h.Sum(nil))
	// RFC 9562, 5.8: a UUID of the maker's own kind, in the byte order of GPT.
	id[7] = id[7]&0xf | 8<<4
	id[8] = id[8]&0x3f | 2<<6
	return id
}

// volume is the part of an image that holds the program: an EFI system
// partition.
type volume struct {
	contents []byte
	data     int64 // where in the contents the program's data are, in one piece
}

// newVolume returns the volume for a program.
func newVolume(p *boot.Program) (v volume, err error) {
	v.contents, v.data, err = uefi.ESP(p)
	return v, err
}

// parts collects what is put on a disk.
type parts struct {
	*Disk
	err error
}

// put puts data on the disk, unless something went wrong before.
func (p *parts) put(offset int64, data []byte) {
	if p.err == nil {
		p.err = p.Put(offset, data)
	}
}

// roundUp returns the least multiple of unit that is not less than n.
func roundUp(n, unit int64) int64 { return (n + unit - 1) / unit * unit }
