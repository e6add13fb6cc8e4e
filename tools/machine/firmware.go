package machine

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
)

// Firmware is UEFI firmware for QEMU's machines.
type Firmware struct {
	Code string // file with what runs
	Vars string // file that its variables begin as
}

// firmwareDirs are where distributions describe the firmware that they have for
// QEMU. The first counts.
var firmwareDirs = []string{"/etc/qemu/firmware", "/usr/share/qemu/firmware"}

// FindFirmware returns the UEFI firmware that is installed for one of QEMU's
// machines, "q35" or "pc".
func FindFirmware(machine string) (Firmware, error) {
	for _, dir := range firmwareDirs {
		f, err := firmwareIn(os.DirFS(dir), machine)
		if err == nil {
			return f, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return Firmware{}, fmt.Errorf("%s: %w", dir, err)
		}
	}
	return Firmware{}, fmt.Errorf("UEFI firmware for QEMU's %s is not installed; on Debian: apt-get install ovmf", machine)
}

// descriptor is a description of firmware, as far as it matters here
// (docs/interop/firmware.json of QEMU).
type descriptor struct {
	Interfaces []string `json:"interface-types"`
	Mapping    struct {
		Device     string
		Executable struct{ Filename, Format string }
		Template   struct{ Filename, Format string } `json:"nvram-template"`
	}
	Targets []struct {
		Architecture string
		Machines     []string
	}
	Features []string
}

// firmwareIn returns the first firmware that dir describes and that will do.
func firmwareIn(dir fs.FS, machine string) (Firmware, error) {
	names, err := fs.Glob(dir, "*.json") // in the order in which they are to be looked at
	if err != nil {
		return Firmware{}, err
	}
	for _, name := range names {
		text, err := fs.ReadFile(dir, name)
		if err != nil {
			return Firmware{}, err
		}
		var d descriptor
		if err := json.Unmarshal(text, &d); err != nil {
			return Firmware{}, fmt.Errorf("%s: %w", name, err)
		}
		if f := (Firmware{d.Mapping.Executable.Filename, d.Mapping.Template.Filename}); d.fits(machine) && f.exists() {
			return f, nil
		}
	}
	return Firmware{}, fs.ErrNotExist
}

// fits reports whether the firmware starts applications that nobody signed, on
// a machine.
func (d *descriptor) fits(machine string) bool {
	m := &d.Mapping
	if !slices.Contains(d.Interfaces, "uefi") || m.Device != "flash" || m.Executable.Format != "raw" || m.Template.Format != "raw" ||
		slices.Contains(d.Features, "secure-boot") {
		return false
	}
	version := map[string]string{"q35": "pc-q35-7.2", "pc": "pc-i440fx-7.2"}[machine]
	for _, t := range d.Targets {
		for _, pattern := range t.Machines {
			if ok, err := path.Match(pattern, version); t.Architecture == "x86_64" && err == nil && ok {
				return true
			}
		}
	}
	return false
}

// exists reports whether the firmware's files are there.
func (f Firmware) exists() bool {
	for _, name := range []string{f.Code, f.Vars} {
		if _, err := os.Stat(filepath.Clean(name)); err != nil {
			return false
		}
	}
	return true
}

// Args returns QEMU's arguments for the firmware. What it writes to its
// variables is lost.
func (f Firmware) Args() []string {
	return []string{
		"-drive", "if=pflash,format=raw,readonly=on,file=" + f.Code,
		"-drive", "if=pflash,format=raw,snapshot=on,file=" + f.Vars,
	}
}
