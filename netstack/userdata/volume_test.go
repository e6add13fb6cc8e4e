package userdata

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"
)

// image is a CD's image that is being made.
type image []byte

// add puts contents into blocks of their own, and returns where.
func (m *image) add(contents []byte, directory bool) extent {
	e := extent{uint32(len(*m) / blockSize), uint32(len(contents)), directory}
	*m = append(*m, contents...)
	*m = append(*m, make([]byte, -len(*m)&(blockSize-1))...)
	return e
}

// entry makes a directory record.
func entry(name string, e extent) []byte {
	units := utf16.Encode([]rune(name))
	b := make([]byte, 33+2*len(units))
	b[0], b[32] = byte(len(b)), byte(2*len(units))
	binary.LittleEndian.PutUint32(b[2:], e.block)
	binary.LittleEndian.PutUint32(b[10:], e.size)
	if e.directory {
		b[25] = 2
	}
	for i, u := range units {
		binary.BigEndian.PutUint16(b[33+2*i:], u)
	}
	return b
}

// newImage makes an image with a file at a path.
func newImage(label string, path []string, contents string) image {
	m := make(image, (descriptorsAt+3)*blockSize)
	at := m.add([]byte(contents), false)
	for i := len(path) - 1; i >= 0; i-- {
		list := append(entry("other;1", at), make([]byte, blockSize)...)[:blockSize] // one in a block of its own
		at = m.add(append(list, entry(path[i], at)...), true)
	}
	for i, kind := range []byte{descriptorPrimary, descriptorOther, descriptorEnd} {
		d := m[(descriptorsAt+i)*blockSize:]
		d[0] = kind
		copy(d[1:], "CD001\x01")
		copy(d[offLabel:], label+strings.Repeat(" ", labelSize-len(label)))
		binary.LittleEndian.PutUint16(d[offBlockSize:], blockSize)
		if kind == descriptorOther {
			copy(d[offEscapes:], "%/E")
		}
		copy(d[offRoot:], entry("", at))
	}
	return m
}

func (m image) ReadAt(p []byte, off int64) error {
	if off < 0 || off > int64(len(m)) || copy(p, m[off:]) < len(p) {
		return errDamaged
	}
	return nil
}

// TestFromDisks looks at disks of several kinds, and takes the first with a label.
func TestFromDisks(t *testing.T) {
	seed, drive := newImage("cidata", []string{"user-data;1"}, given), newImage("config-2", []string{"openstack", "latest", "user_data"}, given+"x")
	for name, c := range map[string]struct {
		disks map[string]image
		want  string
	}{
		"none":           {nil, ""},
		"NoCloud":        {map[string]image{"vda": seed}, given},
		"capitals":       {map[string]image{"vda": newImage("CIDATA", []string{"user-data"}, given)}, given},
		"config drive":   {map[string]image{"vda": drive}, given + "x"},
		"second":         {map[string]image{"vda": make(image, 1<<20), "vdb": drive, "vdc": seed}, given + "x"},
		"in memory":      {map[string]image{"vda": {}, "ram0": newImage("other", []string{"user-data"}, "x"), "ram1": seed}, given},
		"behind nothing": {map[string]image{"vdb": seed}, ""},
		"no file":        {map[string]image{"vda": newImage("cidata", []string{"meta-data"}, given)}, ""},
		"directory":      {map[string]image{"vda": newImage("cidata", []string{"user-data", "x"}, given)}, ""},
		"file in path":   {map[string]image{"vda": newImage("config-2", []string{"openstack"}, given)}, ""},
	} {
		dir := t.TempDir()
		for disk, contents := range c.disks {
			if err := os.WriteFile(filepath.Join(dir, disk), contents, 0o666); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := fromDisks(dir); err != nil || string(got) != c.want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}

// TestVolumeDamaged has files that are where no disk is, or too large.
func TestVolumeDamaged(t *testing.T) {
	good := newImage("cidata", []string{"user-data"}, given)
	cut := good[:(descriptorsAt+3)*blockSize]
	long := newImage("cidata", []string{"user-data"}, strings.Repeat("x", maxData+1))
	for want, m := range map[error]image{errDamaged: cut, errLong: long} {
		v, err := openVolume(m.ReadAt)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := v.readFile([]string{"user-data"}, maxData); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
}

func FuzzVolume(f *testing.F) {
	f.Add([]byte(newImage("cidata", []string{"user-data"}, given)[descriptorsAt*blockSize:]))
	f.Add([]byte(newImage("config-2", []string{"openstack", "latest", "user_data"}, given)[descriptorsAt*blockSize:]))
	f.Fuzz(func(t *testing.T, b []byte) {
		m := append(make(image, descriptorsAt*blockSize), b...)
		v, err := openVolume(m.ReadAt)
		if err != nil {
			return
		}
		for _, s := range seeds {
			if data, err := v.readFile(s.path, maxData); err == nil && len(data) > maxData {
				t.Errorf("%d bytes", len(data))
			}
		}
	})
}
