package tests

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"ringo.dev/ringo/kernel/block"
	"ringo.dev/ringo/vmm/abi"
	"ringo.dev/ringo/vmm/disk"
)

// TestLinuxAccepts has Linux's own tools check what is in Linux's formats: the files
// in a program, the partition table of a disk that boots it, and the file system of
// the partition that UEFI looks at.
func TestLinuxAccepts(t *testing.T) {
	for tool, pkg := range map[string]string{"fsck.erofs": "erofs-utils", "fsck.fat": "dosfstools", "sgdisk": "gdisk"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is missing; install it with apt-get install %s", tool, pkg)
		}
	}
	dir := t.TempDir()
	tree := filepath.Join(dir, "tree")
	for name, size := range map[string]int{"empty": 0, "small": 100, "sub/large": 300_000} {
		name = filepath.Join(tree, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, bytes.Repeat([]byte("content\n"), size/8), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	program, image := filepath.Join(dir, "program.elf"), filepath.Join(dir, "image")
	run := func(name string, args ...string) []byte {
		t.Helper()
		out, err := exec.CommandContext(limit(t, time.Minute), name, args...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s %q: %v\n%s", name, args, err, out)
		}
		return out
	}
	for _, args := range [][]string{
		{"build", "-o", program, "--files", tree + ":/srv", "ringo.dev/ringo/examples/hello"},
		{"image", "-f", "raw", "-o", image, program},
	} {
		if out, err := ringo.Command(limit(t, 3*time.Minute), args...).CombinedOutput(); err != nil {
			t.Fatalf("ringo %q: %v\n%s", args, err, out)
		}
	}

	files, out := filesOf(t, program, dir), filepath.Join(dir, "out")
	run("fsck.erofs", "--extract="+out, files)
	run("diff", "-r", tree, out)

	if out := run("sgdisk", "--verify", image); !bytes.Contains(out, []byte("No problems found")) {
		t.Errorf("sgdisk: %s", out)
	}
	const uefi = 2 // behind that of BIOS, which has no file system
	run("fsck.fat", "-n", partition(t, image, uefi, dir))
}

// filesOf writes the first file system in a program to a file in dir.
func filesOf(t *testing.T, program, dir string) string {
	t.Helper()
	f, err := elf.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b, err := f.Section(".ringo.files").Data()
	if err != nil {
		t.Fatal(err)
	}
	var h abi.Files
	if _, err := binary.Decode(b, binary.LittleEndian, &h); err != nil || h.Count != 1 {
		t.Fatalf("%d file systems, %v", h.Count, err)
	}
	return writeFile(t, filepath.Join(dir, "erofs"), b[h.List[0].Offset:][:h.List[0].Size])
}

// partition writes a partition of a disk to a file in dir.
func partition(t *testing.T, image string, number int, dir string) string {
	t.Helper()
	d, err := disk.Open(image, true)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	list, err := block.Partitions(d)
	i := slices.IndexFunc(list, func(p block.Partition) bool { return p.Number == number })
	if err != nil || i < 0 {
		t.Fatalf("there is no partition %d of %d, or: %v", number, len(list), err)
	}
	b := make([]byte, list[i].Size)
	if err := list[i].Open(d).ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	return writeFile(t, filepath.Join(dir, "partition"), b)
}

func writeFile(t *testing.T, name string, b []byte) string {
	t.Helper()
	if err := os.WriteFile(name, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}
