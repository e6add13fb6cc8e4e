package volume

import (
	"testing"

	"ringo.dev/ringo/kernel/block"
	"ringo.dev/ringo/kernel/block/blocktest"
)

func format(t testing.TB, size int64) *blocktest.Disk {
	t.Helper()
	d := blocktest.New(size)
	if err := Format(d, [16]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}); err != nil {
		t.Fatal(err)
	}
	return d
}

func open(t testing.TB, d block.Device) *Volume {
	t.Helper()
	v, err := Open(d, Options{Report: func(err error) { t.Log(err) }})
	if err != nil {
		t.Fatal(err)
	}
	return v
}
