package machine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
)

// description returns a description of firmware whose files are in dir.
func description(dir, device, machines, features string) *fstest.MapFile {
	return &fstest.MapFile{Data: fmt.Appendf(nil, `{
		"interface-types": ["uefi"],
		"mapping": {"device": %q,
			"executable": {"filename": "%s/CODE.fd", "format": "raw"},
			"nvram-template": {"filename": "%s/VARS.fd", "format": "raw"}},
		"targets": [{"architecture": "x86_64", "machines": [%s]}],
		"features": [%s]
	}`, device, dir, dir, machines, features)}
}

func TestFirmwareIn(t *testing.T) {
	dirs := make(map[string]string)
	for _, name := range []string{"secure", "q35", "both"} {
		dirs[name] = t.TempDir()
		for _, file := range []string{"CODE.fd", "VARS.fd"} {
			if err := os.WriteFile(filepath.Join(dirs[name], file), nil, 0o666); err != nil {
				t.Fatal(err)
			}
		}
	}
	const both = `"pc-i440fx-*", "pc-q35-*"`
	all := fstest.MapFS{
		"10-secure.json":  description(dirs["secure"], "flash", both, `"secure-boot", "acpi-s3"`),
		"20-memory.json":  description(dirs["secure"], "memory", both, ""),
		"30-missing.json": description("/nowhere", "flash", both, ""),
		"40-q35.json":     description(dirs["q35"], "flash", `"pc-q35-*"`, ""),
		"50-both.json":    description(dirs["both"], "flash", both, ""),
		"README":          {Data: []byte("no description")},
	}
	for machine, want := range map[string]string{"q35": dirs["q35"], "pc": dirs["both"]} {
		if f, err := firmwareIn(all, machine); err != nil || f.Code != want+"/CODE.fd" || f.Vars != want+"/VARS.fd" {
			t.Errorf("%s: %+v, %v", machine, f, err)
		}
	}
	if f, err := firmwareIn(all, "microvm"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("microvm: %+v, %v", f, err)
	}
	if f, err := firmwareIn(fstest.MapFS{"a.json": {Data: []byte("{")}}, "pc"); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a broken description: %+v, %v", f, err)
	}
}

func TestUEFIMemory(t *testing.T) {
	file := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(file, make([]byte, 10<<20), 0o666); err != nil {
		t.Fatal(err)
	}
	o := &Options{Image: file, Memory: 64 << 20}
	if _, err := uefiArgs("q35", o); err == nil || !strings.Contains(err.Error(), "use -m 79M") {
		t.Errorf("%v, want an advice", err)
	}
	o.Memory = 79 << 20
	if _, err := uefiArgs("microvm", o); err == nil || !strings.Contains(err.Error(), "apt-get install ovmf") {
		t.Errorf("%v, want that there is no firmware", err)
	}
}
