package fat

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// content returns n bytes that are the same every time.
func content(n int) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(n)}).Read(b)
	return b
}

// check lets fsck.fat, of dosfstools, look at a volume.
func check(t *testing.T, volume []byte) {
	t.Helper()
	fsck, err := exec.LookPath("fsck.fat")
	if err != nil {
		if fsck, err = exec.LookPath("/usr/sbin/fsck.fat"); err != nil {
			t.Skip("fsck.fat is missing; install it with apt-get install dosfstools")
		}
	}
	name := filepath.Join(t.TempDir(), "volume")
	if err := os.WriteFile(name, volume, 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(fsck, "-n", "-v", name).CombinedOutput()
	if err != nil || strings.Contains(string(out), "wrong") || strings.Contains(string(out), "differ") {
		t.Errorf("fsck.fat: %v\n%s", err, out)
	}
}

func TestVolume(t *testing.T) {
	for _, sizes := range [][]int{{}, {0}, {1}, {511, 512, 513}, {3 << 20}, {33 << 20, 5}, {200 << 20}} {
		t.Run(fmt.Sprint(sizes), func(t *testing.T) {
			var files []File
			for i, n := range sizes {
				files = append(files, File{fmt.Sprintf("EFI/D%d/FILE-%d.EFI", i%2, i), content(n)})
			}
			volume, offsets, err := Volume("RINGO", files)
			if err != nil {
				t.Fatal(err)
			}
			for i, f := range files {
				if len(f.Data) > 0 && (offsets[i]%Align != 0 || !bytes.HasPrefix(volume[offsets[i]:], f.Data)) {
					t.Errorf("%s is not at %#x", f.Name, offsets[i])
				}
			}
			check(t, volume)
			again, _, _ := Volume("RINGO", files)
			if !bytes.Equal(volume, again) {
				t.Error("the same files make another volume")
			}
		})
	}
}

// TestManyFiles makes directories of more than one cluster.
func TestManyFiles(t *testing.T) {
	var files []File
	for i := range 100 {
		files = append(files, File{fmt.Sprintf("A/B/F%d", i), content(i * 50)}, File{fmt.Sprintf("R%d.TXT", i), content(i)})
	}
	volume, _, err := Volume("RINGO", files)
	if err != nil {
		t.Fatal(err)
	}
	check(t, volume)
}

func TestVolumeErrors(t *testing.T) {
	for want, files := range map[string][]File{
		"short name":  {{Name: "EFI/bootx64.efi"}},
		"directory A": {{Name: "A/B"}, {Name: "A"}},
		"already":     {{Name: "A"}, {Name: "A"}},
	} {
		if _, _, err := Volume("RINGO", files); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %v, want %q", files, err, want)
		}
	}
	for _, name := range []string{"", "A//B", "TOOLONGNAME", "A.LONG", "A.B.C", "."} {
		if _, _, err := Volume("RINGO", []File{{Name: name}}); err == nil {
			t.Errorf("%q is no error", name)
		}
	}
	for _, label := range []string{"", "TWELVELETTER", "ringo"} {
		if _, _, err := Volume(label, nil); err == nil {
			t.Errorf("the label %q is no error", label)
		}
	}
	var many []File
	for i := range rootEntries {
		many = append(many, File{Name: fmt.Sprintf("F%d", i)})
	}
	if _, _, err := Volume("RINGO", many); err == nil {
		t.Error("too many files in the root are no error")
	}
}
