package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestImage makes an image of a program that it builds first.
func TestImage(t *testing.T) {
	file := filepath.Join(t.TempDir(), "hello.iso")
	if _, stderr, status := output(t, ringo(t, nil, "image", "-o", file, "./testdata/hello", "--", "one")); status != 0 || stderr != "" {
		t.Fatalf("status %d: %s", status, stderr)
	}
	data, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(data), "EL TORITO") || !strings.Contains(string(data), `"one"`) {
		t.Errorf("%v; it is no bootable CD", err)
	}
}

// TestImageReproducible wants the same image of the same source in two directories.
func TestImageReproducible(t *testing.T) {
	source, err := os.ReadFile("testdata/hello/main.go")
	if err != nil {
		t.Fatal(err)
	}
	var images [2][]byte
	for i := range images {
		dir := t.TempDir()
		for name, text := range map[string][]byte{"main.go": source, "go.mod": []byte("module hello\n\ngo 1.26\n")} {
			if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		cmd := ringo(t, nil, "image", "-f", "raw", "-o", "hello.img", ".")
		cmd.Dir = dir
		if _, stderr, status := output(t, cmd); status != 0 {
			t.Fatalf("status %d: %s", status, stderr)
		}
		if images[i], err = os.ReadFile(filepath.Join(dir, "hello.img")); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(images[0], images[1]) {
		t.Error("the images differ")
	}
}

// TestImageStdout wants the same image on standard output.
func TestImageStdout(t *testing.T) {
	exe, file := buildTest(t, nil, "hello"), filepath.Join(t.TempDir(), "hello.img")
	if _, stderr, status := output(t, ringo(t, nil, "image", "-o", file, exe)); status != 0 {
		t.Fatalf("status %d: %s", status, stderr)
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	got, stderr, status := output(t, ringo(t, nil, "image", "-f", "raw", "-o", "-", exe))
	if status != 0 || got != string(want) {
		t.Errorf("status %d: %s; %d bytes, want %d", status, stderr, len(got), len(want))
	}
}

// TestImageOverProgram wants a program to be left as it is.
func TestImageOverProgram(t *testing.T) {
	exe := buildTest(t, nil, "hello")
	before, err := os.ReadFile(exe)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{exe, filepath.Join(filepath.Dir(exe), "..", filepath.Base(filepath.Dir(exe)), filepath.Base(exe))} {
		if _, stderr, status := output(t, ringo(t, nil, "image", "-f", "raw", "-o", name, exe)); status != exitFatal || !strings.Contains(stderr, "that is the program itself") {
			t.Errorf("status %d: %s", status, stderr)
		}
	}
	if after, err := os.ReadFile(exe); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the program has changed, or is gone: %v", err)
	}
}

// TestImageFormat wants the format that is said, or else that of the file's name.
func TestImageFormat(t *testing.T) {
	for file, want := range map[string]string{
		"": "iso", "web": "iso", "web.iso": "iso", "dir.vdi/web": "iso", "web.bin": "iso",
		"web.qcow2": "qcow2", "web.vmdk": "vmdk", "web.img": "raw", "web.raw": "raw",
	} {
		if got := formatOf(file); got != want {
			t.Errorf("%q: %s, want %s", file, got, want)
		}
	}
}

func TestImageErrors(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "image")
	for _, c := range []struct {
		want string
		args []string
	}{
		{"name one package", nil},
		{"floppy", []string{"-f", "floppy", exe}},
		{"want KEY=VALUE", []string{"--set", "key", exe}},
		{"there is no setting net.verbsoe", []string{"--set", "net.verbsoe=1", exe}},
		{"strace=yes: want 0 or 1", []string{"--set", "strace=yes", exe}},
		{"net.ip=10.0.0.2: want an IPv4 address and its bits", []string{"--set", "net.ip=10.0.0.2", exe}},
		{"neither auto", []string{"--user-data=other", exe}},
		{"neither auto", []string{"--set", "user-data=other", exe}},
		{"want K=V", []string{"-e", "=x", exe}},
		{"line break", []string{exe, "--", "a\nb"}},
		{"not built by ringo, or by another release: it has no multiboot header", []string{exe}},
	} {
		_, stderr, status := output(t, ringo(t, nil, append([]string{"image", "-o", file}, c.args...)...))
		if status != exitFatal || !strings.Contains(stderr, c.want) {
			t.Errorf("%q: status %d: %s, want %q", c.args, status, stderr, c.want)
		}
		if _, err := os.Stat(file); err == nil {
			t.Errorf("%q: there is an image", c.args)
		}
	}
}

// TestImageUserData wants the setting in the image, and no image of a program
// without a network that could ask.
func TestImageUserData(t *testing.T) {
	file := filepath.Join(t.TempDir(), "image.iso")
	for _, flag := range []string{"--user-data", "--set=user-data=auto"} {
		if _, stderr, status := output(t, ringo(t, nil, "image", "-o", file, flag, "./testdata/hello")); status != exitFatal || !strings.Contains(stderr, "has no network") {
			t.Errorf("%s: status %d: %s", flag, status, stderr)
		}
	}
	if _, stderr, status := output(t, ringo(t, nil, "image", "-o", file, "--user-data=gce,ec2", "./testdata/web")); status != 0 {
		t.Fatalf("status %d: %s", status, stderr)
	}
	data, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(data), `"ringo.user-data=gce,ec2"`) {
		t.Errorf("%v; the image does not say whom to ask", err)
	}
}
