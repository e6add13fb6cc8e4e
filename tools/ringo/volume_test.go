package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestVolume uses every command on volumes once.
func TestVolume(t *testing.T) {
	dir := t.TempDir()
	disk, file := filepath.Join(dir, "disk.img"), filepath.Join(dir, "hello.txt")
	if err := os.WriteFile(file, []byte("hello\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args   string
		status int
		want   string // in the output
	}{
		{"create DISK", exitFatal, "--size"},
		{"create --size 100K DISK", exitFatal, "at least 1M"},
		{"ls DISK", exitFatal, "ringo volume create"},
		{"create --size 4M DISK", 0, ""},
		{"create --size 4M DISK", exitFatal, "exists already"},
		{"ls DISK", 0, ""},
		{"cp FILE DISK:/", 0, ""},
		{"cp FILE FILE", exitFatal, "one of FROM and TO"},
		{"ls DISK", 0, "-rw-r--r--  6 "},
		{"ls DISK:/hello.txt", 0, "hello.txt"},
		{"ls DISK:/nothing", exitFatal, "disk.img:/nothing: no such file"},
		{"cat DISK:/hello.txt", 0, "hello\n"},
		{"snapshot create DISK one", 0, ""},
		{"cp DIR/disk.img.txt DISK:/hello.txt", exitFatal, "no such file"},
		{"snapshot ls DISK", 0, "  one\n"},
		{"cat --snapshot one DISK:/hello.txt", 0, "hello\n"},
		{"cat --snapshot two DISK:/hello.txt", exitFatal, "snapshot two: no such file"},
		{"cp --snapshot one DISK:/hello.txt DIR/out.txt", 0, ""},
		{"fsck DISK", 0, "1 files, 1 directories, 1 snapshots"},
		{"snapshot rm DISK one", 0, ""},
		{"fsck DISK", 0, "0 snapshots"},
		{"create --force DISK", 0, ""},
		{"fsck DISK", 0, "0 files"},
		{"fsck FILE", exitFatal, "too small"},
	} {
		line := strings.NewReplacer("DISK", disk, "FILE", file, "DIR", dir).Replace(c.args)
		stdout, stderr, status := output(t, ringo(t, nil, append([]string{"volume"}, strings.Fields(line)...)...))
		if status != c.status || !strings.Contains(stdout+stderr, c.want) || status == 0 && stderr != "" {
			t.Errorf("ringo volume %s: status %d, %q %q", c.args, status, stdout, stderr)
		}
	}
	if b, err := os.ReadFile(filepath.Join(dir, "out.txt")); err != nil || string(b) != "hello\n" {
		t.Error(b, err)
	}
}
