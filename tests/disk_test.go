package tests

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	"ringo.dev/ringo/tools/volumes"
	"ringo.dev/ringo/vmm/disk"
)

// newDisk makes a file for a disk of so many MB.
func newDisk(t *testing.T, megabytes int64) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "disk.img")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(name, megabytes<<20); err != nil {
		t.Fatal(err)
	}
	return name
}

// showDisk shows properties of tests/programs/disk, one machine after the other.
func showDisk(t *testing.T, args []string, properties ...string) {
	t.Helper()
	file := program(t, "tests/programs/disk")
	for _, p := range properties {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		r, err := ringo.Run(ctx, append(args, "--net", "none", file, "--", p)...)
		cancel()
		if err != nil || r.Status != 0 {
			t.Errorf("%s: status %d, %v\n%s", p, r.Status, err, r.Output)
		}
	}
}

// TestDisk uses raw disks.
func TestDisk(t *testing.T) {
	needKVM(t)
	for _, w := range []way{oneCPU, twoCPUs} {
		t.Run(w.name, func(t *testing.T) {
			disk, other := newDisk(t, 16), newDisk(t, 1)
			if err := os.WriteFile(other, append([]byte("the second disk\n"), make([]byte, 1<<20)...), 0o600); err != nil {
				t.Fatal(err)
			}
			showDisk(t, append(w.args, "--disk", disk), "raw", "kept", "parallel", "unaligned", "ioctl", "zeroes", "counted", "end")
			showDisk(t, append(w.args, "--disk", disk+":ro"), "readonly", "kept")
			showDisk(t, append(w.args, "--disk", disk, "--disk", other), "second", "kept")
			showDisk(t, w.args, "absent")
		})
	}
}

// TestDirectDisk uses disks past the host's page cache: a raw one, and a volume that
// is then used by way of it.
func TestDirectDisk(t *testing.T) {
	needKVM(t)
	raw, data := newDisk(t, 16), filepath.Join(t.TempDir(), "data.img")
	d, err := disk.OpenDirect(raw, true)
	if errors.Is(err, disk.ErrNotDirect) {
		t.Skipf("this needs a file system with O_DIRECT, which TMPDIR can name: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	d.Close()
	if err := volumes.Create(data, 16<<20); err != nil {
		t.Fatal(err)
	}
	direct := []string{"--smp", "2", "--disk", raw + ":direct"}
	showDisk(t, direct, "raw", "kept", "parallel", "unaligned", "counted", "end")
	showDisk(t, []string{"--disk", raw + ":direct:ro"}, "readonly", "kept")
	showDisk(t, []string{"--disk", raw}, "kept")
	showDisk(t, []string{"--disk", data + ":/data:direct"}, "stored", "found")
	showDisk(t, []string{"--disk", data + ":/data:ro"}, "found")
	showDisk(t, []string{"--disk", data + ":/data:direct"}, "crowded")
}

// TestPartitions uses the partitions of a GPT.
func TestPartitions(t *testing.T) {
	needKVM(t)
	sgdisk, err := exec.LookPath("sgdisk")
	if err != nil {
		t.Skip("sgdisk is missing; install it with apt-get install gdisk")
	}
	disk := newDisk(t, 4)
	out, err := exec.Command(sgdisk, "--set-alignment=8", "--new=1:64:163", "--new=4:1000:1999", disk).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	b, err := os.ReadFile(disk)
	if err != nil {
		t.Fatal(err)
	}
	copy(b[64*512:], "vda1")
	copy(b[1000*512:], "vda4")
	if err := os.WriteFile(disk, b, 0o600); err != nil {
		t.Fatal(err)
	}
	showDisk(t, []string{"--disk", disk}, "partitions")
	if b, err = os.ReadFile(disk); err != nil || !bytes.HasPrefix(b[65*512:], []byte("vda1")) || !bytes.HasPrefix(b[1001*512:], []byte("vda4")) {
		t.Errorf("what was written to the partitions is not there: %v", err)
	}
}

// TestDiskErrors wants a clear error before a guest starts.
func TestDiskErrors(t *testing.T) {
	needKVM(t)
	file := program(t, "tests/programs/disk")
	disk, empty := newDisk(t, 1), newDisk(t, 0)
	held := newDisk(t, 1)
	g, err := ringo.Start(t.Context(), "--disk", held, program(t, "examples/web"))
	if err != nil {
		t.Fatal(err)
	}
	defer g.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := g.Await(ctx, "serving on"); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"missing":      {[]string{"--disk", disk + "x"}, `does not exist; make one with: ringo volume create`},
		"directory":    {[]string{"--disk", filepath.Dir(disk)}, `is a directory`},
		"empty":        {[]string{"--disk", empty}, `too small`},
		"no disk":      {[]string{"--disk", "/dev/null"}, `neither a regular file nor a block device`},
		"twice":        {[]string{"--disk", disk, "--disk", disk}, `in use by another virtual machine`},
		"in use":       {[]string{"--disk", held}, `in use by another virtual machine`},
		"in use, ro":   {[]string{"--disk", held + ":ro"}, `in use by another virtual machine`},
		"in use, QEMU": {[]string{"--vmm", "qemu", "--disk", held}, `in use by another virtual machine`},
		"root":         {[]string{"--disk", disk + ":/"}, `want FILE\[:/PATH\]\[:ro\]`},
		"no name":      {[]string{"--disk", ":/data"}, `want FILE\[:/PATH\]\[:ro\]`},
		"direct":       {[]string{"--disk", "/proc/version:ro:direct"}, `leave out :direct`},
		"process":      {[]string{"--vmm", "process", "--disk", disk}, `--disk is for virtual machines`},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := ringo.Run(ctx, append(c.args, "--net", "none", file, "--", "raw")...)
			if err != nil {
				t.Fatal(err)
			}
			if r.Status != 125 || !regexp.MustCompile(`^ringo: [^\n]*`+c.want+`[^\n]*\n$`).MatchString(r.Output) {
				t.Errorf("status %d\n%s", r.Status, r.Output)
			}
		})
	}
}

// TestDiskUnused wants to be told that a volume is of no use to a program.
func TestDiskUnused(t *testing.T) {
	needKVM(t)
	disk := filepath.Join(t.TempDir(), "data.img")
	if err := volumes.Create(disk, 1<<20); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r, err := ringo.Run(ctx, "--disk", disk+":/data", "--net", "none", program(t, "examples/hello"))
	if err != nil || r.Status != 125 || !regexp.MustCompile(`^ringo: mount [^\n]*: the program opens no files, and so has no code for disks: [^\n]*\n$`).MatchString(r.Output) {
		t.Errorf("status %d, %v\n%s", r.Status, err, r.Output)
	}
}

// TestVolume keeps files on a volume, from one machine to the next. One bit that
// flips on the disk makes reading its block an error, and nothing else.
func TestVolume(t *testing.T) {
	needKVM(t)
	disk := filepath.Join(t.TempDir(), "data.img")
	if err := volumes.Create(disk, 16<<20); err != nil {
		t.Fatal(err)
	}
	args := []string{"--disk", disk + ":/data"}
	showDisk(t, args, "stored", "found")
	showDisk(t, append(args, "--smp", "2"), "found")
	showDisk(t, []string{"--disk", disk + ":/data:ro"}, "found")

	showDisk(t, args, "crowded")
	showDisk(t, append(args, "--smp", "2"), "crowded")

	checkEnds(t)

	b, err := os.ReadFile(disk)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.LastIndex(b, []byte("broken: this is the place to flip a bit"))
	if at < 0 {
		t.Fatal("the file's data is not on the disk")
	}
	b[at+10] ^= 0x10
	if err := os.WriteFile(disk, b, 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r, err := ringo.Run(ctx, append(args, "--net", "none", program(t, "tests/programs/disk"), "--", "damaged")...)
	if err != nil || r.Status != 0 || !regexp.MustCompile(`(?m)^ringo: /dev/vda: volume: block \d+: wrong checksum`).MatchString(r.Output) {
		t.Errorf("status %d, %v, or the console does not say it\n%s", r.Status, err, r.Output)
	}

	// What is wrong with a volume as a whole is found out before the start.
	empty := newDisk(t, 16)
	short := filepath.Join(t.TempDir(), "short.img")
	if err := os.WriteFile(short, b[:12<<20], 0o600); err != nil {
		t.Fatal(err)
	}
	clear(b[:64<<10])
	clear(b[len(b)-64<<10:])
	spoiled := filepath.Join(t.TempDir(), "spoiled.img")
	if err := os.WriteFile(spoiled, b, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		empty: `there is no volume on this disk \(ringo volume create makes one\)`, short: `disk is too small`, spoiled: `volume`,
	} {
		r, err := ringo.Run(ctx, "--net", "none", "--disk", name+":/data", program(t, "tests/programs/disk"), "--", "found")
		if err != nil || r.Status != 125 || !regexp.MustCompile(`^ringo: disk [^\n]*`+want+`[^\n]*\n$`).MatchString(r.Output) {
			t.Errorf("%s: status %d, %v\n%s", name, r.Status, err, r.Output)
		}
	}
}

// checkEnds wants what was written, and not synced, to be there after a program
// ended by a panic or a signal.
func checkEnds(t *testing.T) {
	for property, status := range map[string]int{"panic": 2, "terminated": 128 + 15} {
		disk := filepath.Join(t.TempDir(), property)
		if err := volumes.Create(disk, 16<<20); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		r, err := ringo.Run(ctx, "--net", "none", "--disk", disk+":/data", program(t, "tests/programs/disk"), "--", property)
		if err != nil || r.Status != status {
			t.Errorf("%s: status %d, %v\n%s", property, r.Status, err, r.Output)
		}
		showDisk(t, []string{"--disk", disk + ":/data"}, "found")
	}
}
