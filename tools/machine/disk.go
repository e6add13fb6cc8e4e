package machine

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"

	"ringo.dev/ringo/kernel/volume"
	"ringo.dev/ringo/vmm/device"
	"ringo.dev/ringo/vmm/disk"
	"ringo.dev/ringo/vmm/virtio"
)

// Disk is a disk of the machine. The first one is /dev/vda, the next /dev/vdb.
type Disk struct {
	File     string // a file with the disk's content, or a block device
	Path     string // where the volume on it is mounted; "": nowhere
	ReadOnly bool
	Direct   bool // past the host's page cache
}

// maxDisks is how many disks a machine can have: vda to vdh.
const maxDisks = 8

// ParseDisk parses FILE[:/PATH][:ro][:direct]. The options are in any order.
func ParseDisk(text string) (d Disk, err error) {
	d.File = text
	for cutOption(&d.File, ":ro", &d.ReadOnly) || cutOption(&d.File, ":direct", &d.Direct) {
	}
	if file, dir, ok := strings.Cut(d.File, ":/"); ok {
		d.File, d.Path = file, path.Clean("/"+dir)
	}
	if d.File == "" || d.Path == "/" || strings.ContainsAny(d.Path, "\n\x00") {
		return d, fmt.Errorf("%s: want FILE[:/PATH][:ro][:direct], and a path below /", text)
	}
	if option := unknownOption(d.Path); option != "" {
		return d, fmt.Errorf("%s: there is no option %q; want FILE[:/PATH][:ro][:direct]", text, option)
	}
	return d, nil
}

// unknownOption returns what an option would look like at the end of a path. A path
// may hold colons, but one that ends so is a mistake.
func unknownOption(path string) string {
	option := path[strings.LastIndexByte(path, ':')+1:]
	if option == path || strings.Trim(option, "abcdefghijklmnopqrstuvwxyz") != "" {
		return ""
	}
	return option
}

// cutOption sets an option that is at the end of text, once, and cuts it off.
func cutOption(text *string, option string, set *bool) (found bool) {
	if *set {
		return false
	}
	*text, *set = strings.CutSuffix(*text, option)
	return *set
}

// mounts returns the boot configuration (package syscalls) for the volumes, and
// for directories of the host.
func mounts(disks []Disk, shares []Share) map[string]string {
	m := make(map[string]string)
	mount := func(kind string, readOnly bool, source, path string) {
		access := "rw"
		if readOnly {
			access = "ro"
		}
		m["mount."+strconv.Itoa(len(m))] = kind + "," + access + "," + source + "," + path
	}
	for i, d := range disks {
		if d.Path != "" {
			mount("volume", d.ReadOnly, fmt.Sprintf("/dev/vd%c", 'a'+i), d.Path)
		}
	}
	for i, s := range shares {
		mount("virtiofs", s.ReadOnly, tag(i), s.Path)
	}
	return m
}

// openDisks opens and locks the disks. What is wrong with one is found out here,
// before the machine starts.
func openDisks(disks []Disk) (open []*disk.File, err error) {
	if len(disks) > maxDisks {
		return nil, fmt.Errorf("--disk: %d disks; a machine has at most %d", len(disks), maxDisks)
	}
	for _, d := range disks {
		f, err := d.open()
		if err != nil {
			closeDisks(open)
			return nil, err
		}
		open = append(open, f)
		if err := checkVolume(d, f); err != nil {
			closeDisks(open)
			return nil, err
		}
	}
	return open, nil
}

func (d *Disk) open() (*disk.File, error) {
	if d.Direct {
		return disk.OpenDirect(d.File, d.ReadOnly)
	}
	return disk.Open(d.File, d.ReadOnly)
}

// checkVolume finds out whether a disk that shall be mounted has a volume on it.
func checkVolume(d Disk, f *disk.File) error {
	if d.Path == "" {
		return nil
	}
	if _, err := volume.Open(f, volume.Options{ReadOnly: true}); err != nil {
		return fmt.Errorf("disk %s: %w", d.File, err)
	}
	return nil
}

func closeDisks(open []*disk.File) error {
	var errs []error
	for _, f := range open {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

// diskDevices returns the devices for disks. What goes wrong with them is
// reported on standard error.
func diskDevices(open []*disk.File) (devices []device.Device) {
	for _, f := range open {
		devices = append(devices, virtio.NewBlock(f, func(err error) { fmt.Fprintln(os.Stderr, "ringo:", err) }))
	}
	return devices
}

// diskArgs returns QEMU's arguments for disks. It locks them itself, but says
// less well what is wrong.
func (q *QEMU) diskArgs(disks []Disk) (args []string, err error) {
	open, err := openDisks(disks)
	if err != nil {
		return nil, err
	}
	if err := closeDisks(open); err != nil {
		return nil, err
	}
	kind := "virtio-blk-pci"
	if q.Machine == "microvm" {
		kind = "virtio-blk-device"
	}
	for i, d := range disks {
		id := "disk" + strconv.Itoa(i)
		drive := "if=none,format=raw,discard=unmap,id=" + id + ",file=" + strings.ReplaceAll(d.File, ",", ",,")
		if d.ReadOnly {
			drive += ",readonly=on"
		}
		if d.Direct {
			drive += ",cache.direct=on"
		}
		args = append(args, "-drive", drive, "-device", kind+",drive="+id)
	}
	return args, nil
}
