package machine

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"ringo.dev/ringo/boot"
	"ringo.dev/ringo/boot/image"
)

// bootWay is a way for QEMU to boot a program.
type bootWay struct {
	microvm bool // that machine can do it
	uefi    bool // it needs UEFI firmware
	// args returns QEMU's arguments. Files that they name are put into dir.
	args func(dir, executable, line string) ([]string, error)
}

// bootWays are the ways by their names.
var bootWays = map[string]bootWay{
	"multiboot": {microvm: true, args: bootMultiboot},
	"pvh":       {microvm: true, args: bootPVH},
	"iso":       {args: bootCD},
	"bios":      {args: bootDisk},
	"uefi":      {args: bootDisk, uefi: true},
}

// BootWays returns the names of the ways for QEMU to boot a program.
func BootWays() []string { return slices.Sorted(maps.Keys(bootWays)) }

// bootArgs returns the arguments for QEMU's way to boot the program.
func (q *QEMU) bootArgs(dir string, o *Options) ([]string, error) {
	way, ok := bootWays[q.Boot]
	if !ok {
		return nil, fmt.Errorf("--boot %s: want one of %s", q.Boot, strings.Join(BootWays(), ", "))
	}
	if q.Machine == "microvm" && !way.microvm {
		return nil, fmt.Errorf("--boot %s: microvm has no firmware that reads disks; use --machine q35 or pc", q.Boot)
	}
	line, err := commandLine(o)
	if err != nil {
		return nil, err
	}
	args, err := way.args(dir, o.Image, line)
	if err != nil {
		return nil, fmt.Errorf("--boot %s: %s: %w", q.Boot, o.Image, err)
	}
	if way.uefi {
		firmware, err := uefiArgs(q.Machine, o)
		if err != nil {
			return nil, fmt.Errorf("--boot %s: %w", q.Boot, err)
		}
		args = append(args, firmware...)
	}
	return args, nil
}

// uefiArgs returns the arguments for a machine's UEFI firmware.
func uefiArgs(machine string, o *Options) ([]string, error) {
	info, err := os.Stat(o.Image)
	if err != nil {
		return nil, err
	}
	// OVMF has a file in memory twice, and does not say why it goes on to its
	// shell when there is no room for that.
	const own = 48 << 20
	if need := own + 3*info.Size(); o.Memory < need {
		return nil, fmt.Errorf("the firmware and the program need more memory than %d MiB; use -m %dM", o.Memory>>20, need>>20+1)
	}
	firmware, err := FindFirmware(machine)
	if err != nil {
		return nil, err
	}
	return firmware.Args(), nil
}

// bootMultiboot boots the executable as it is: QEMU prefers multiboot.
func bootMultiboot(_, executable, line string) ([]string, error) {
	return []string{"-kernel", executable, "-append", line}, nil
}

// bootPVH boots the program from a file in which QEMU finds no multiboot header. That
// takes less time than multiboot, where QEMU has the program in memory once more.
func bootPVH(dir, executable, line string) ([]string, error) {
	file := filepath.Join(dir, filepath.Base(executable))
	if err := writePVH(file, executable); err != nil {
		return nil, err
	}
	return []string{"-kernel", file, "-append", line}, nil
}

// writePVH makes that file. The executable is mapped and not read, since the machine
// waits for this.
func writePVH(name, executable string) error {
	in, err := os.Open(executable)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	data, err := unix.Mmap(int(in.Fd()), 0, max(int(info.Size()), 1), unix.PROT_READ, unix.MAP_PRIVATE|unix.MAP_POPULATE)
	if err != nil {
		return fmt.Errorf("mmap: %w", err)
	}
	defer unix.Munmap(data)
	program, err := boot.ReadProgram(data[:info.Size()])
	if err != nil {
		return err
	}
	out, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if err := program.WritePVH(out); err != nil {
		out.Close()
		return err
	}
	return out.Close()
}

func bootCD(dir, executable, line string) ([]string, error) {
	return bootImage("iso", "ide-cd", dir, executable, line)
}

func bootDisk(dir, executable, line string) ([]string, error) {
	return bootImage("raw", "ide-hd", dir, executable, line)
}

// bootImage boots an image, which holds the command line, from a drive on the
// machine's own controller.
func bootImage(format, drive, dir, executable, line string) ([]string, error) {
	f, err := image.ParseFormat(format)
	if err != nil {
		return nil, err
	}
	data, err := os.ReadFile(executable)
	if err != nil {
		return nil, err
	}
	program, err := boot.ReadProgram(data)
	if err != nil {
		return nil, err
	}
	program.Line = line
	contents, err := f.Make(program)
	if err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "image")
	if err := contents.WriteFile(file); err != nil {
		return nil, err
	}
	return []string{
		"-drive", "file=" + strings.ReplaceAll(file, ",", ",,") + ",format=raw,if=none,id=boot",
		"-device", drive + ",drive=boot,bootindex=0",
	}, nil
}
