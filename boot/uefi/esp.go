package uefi

import (
	"ringo.dev/ringo/boot"
	"ringo.dev/ringo/boot/fat"
)

// removable is the name under which firmware looks for an application on disks
// and CDs that it has no boot option for (UEFI Specification 2.10, 3.5.1.1).
const removable = "EFI/BOOT/BOOTX64.EFI"

// ESP returns an EFI system partition, a FAT volume, with an application of the
// program. p.Data lies on it in one piece that begins at data, a multiple of
// 4096.
func ESP(p *boot.Program) (fs []byte, data int64, err error) {
	app, at, err := application(p)
	if err != nil {
		return nil, 0, err
	}
	fs, offsets, err := fat.Volume("RINGO", []fat.File{{Name: removable, Data: app}})
	if err != nil {
		return nil, 0, err
	}
	return fs, offsets[0] + int64(at), nil
}
