package metal

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"ringo.dev/ringo/tests/harness"
)

// makeImage makes an image of a program with ringo image.
func makeImage(t *testing.T, format, pkg string, args ...string) string {
	t.Helper()
	program, err := ringo.Program(pkg)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "image."+format)
	args = append([]string{"image", "-f", format, "-o", file, program}, args...)
	if out, err := ringo.Command(t.Context(), args...).CombinedOutput(); err != nil {
		t.Fatalf("ringo image: %v\n%s", err, out)
	}
	return file
}

// drives are ways to attach an image.
var drives = map[string][]string{
	"ide":    {"-drive", "file=%s,format=raw,if=ide"},
	"ahci":   {"-drive", "file=%s,format=raw,if=none,id=disk", "-device", "ahci,id=ahci", "-device", "ide-hd,bus=ahci.0,drive=disk"},
	"virtio": {"-drive", "file=%s,format=raw,if=none,id=disk", "-device", "virtio-blk-pci,drive=disk"},
	"cd":     {"-cdrom", "%s"},
}

// startImage starts m with an image in the named drive.
func (m machine) startImage(ctx context.Context, t *testing.T, drive, image string) *harness.Guest {
	t.Helper()
	var args []string
	for _, a := range drives[drive] {
		args = append(args, strings.Replace(a, "%s", image, 1))
	}
	g, err := harness.StartGuest(m.qemu(ctx, t, args...))
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// TestImage boots images by the machines' BIOS, which gives arguments and
// environment to the program.
func TestImage(t *testing.T) {
	for _, c := range []struct{ format, machine, cpu, drive string }{
		{"raw", "pc", "qemu64", "ide"},
		{"raw", "q35", "max", "ahci"},
		{"raw", "q35", "max", "virtio"},
		{"iso", "pc", "max", "cd"},
		{"iso", "q35", "qemu64", "cd"},
		{"iso", "pc", "max", "ide"}, // as on a USB stick
	} {
		t.Run(c.format+"/"+c.machine+"/"+c.drive, func(t *testing.T) {
			image := makeImage(t, c.format, "tests/programs/arguments", "-e", "A=b c", "--set", strings.TrimPrefix(seed, "ringo."), "--", "x y", `"z\`)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			r, err := machine{Type: c.machine, CPU: c.cpu}.startImage(ctx, t, c.drive, image).Wait(ctx)
			if err != nil || r.Status != exitStatus(0) {
				t.Errorf("status %d, %v, output:\n%s", r.Status, err, r.Output)
			}
			for _, want := range []string{`"x y"`, `"\"z\\"`, `A="b c"`} {
				if !strings.Contains(r.Output, want) {
					t.Errorf("the program does not know of %s:\n%s", want, r.Output)
				}
			}
		})
	}
}

// TestImageOverride tells a program other things at boot than when the image was
// made.
func TestImageOverride(t *testing.T) {
	image := makeImage(t, "raw", "tests/programs/arguments", "-e", "A=1", "-e", "B=2", "--", "x", "y")
	for line, want := range map[string]string{
		"ringo.env.B=3 ringo.env.C=4": `["x" "y"]` + "\nA=\"1\"\nB=\"3\"\n",
		"z":                           `["z"]` + "\nA=\"1\"\nB=\"2\"\n",
	} {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		m := machine{Type: "pc", CPU: "max", Args: []string{"-fw_cfg", "name=opt/dev.ringo/line,string=" + line}}
		r, err := m.startImage(ctx, t, "ide", image).Wait(ctx)
		if err != nil || r.Status != exitStatus(0) || r.Output != want {
			t.Errorf("%s: status %d, %v, output:\n%s\nwant\n%s", line, r.Status, err, r.Output, want)
		}
	}
}

// TestImageWeb fetches pages from a program that was booted from an image.
func TestImageWeb(t *testing.T) {
	image := makeImage(t, "iso", "examples/web", "--set", "net.verbose=1")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	port := freePort(t)
	m := machine{Type: "pc", CPU: "max", Args: []string{"-device", "e1000,netdev=n", "-netdev", forward(port)}}
	g := m.startImage(ctx, t, "cd", image)
	defer g.Stop()
	fetchPages(ctx, t, g, port, 100)
}

// TestImageFails checks what the loader says of an image or a machine that is
// not as it should be: one line, and nothing more.
func TestImageFails(t *testing.T) {
	whole, err := os.ReadFile(makeImage(t, "raw", "examples/hello"))
	if err != nil {
		t.Fatal(err)
	}
	const loader, program = 34 * 512, 1 << 20 // within them
	for _, c := range []struct {
		name  string
		image []byte
		args  []string
		want  string
	}{
		{"cut in the loader", whole[:loader+512], nil, "the disk cannot be read"},
		{"cut in the program", whole[:program], nil, "the program cannot be read from the disk"},
		{"loader", change(whole, loader+1000), nil, "the boot loader is damaged"},
		{"program", change(whole, program), nil, "the program on the disk is damaged"},
		{"memory", whole, []string{"-m", "6"}, "too little memory: the program itself takes"},
		{"processor", whole, []string{"-cpu", "qemu32"}, "the processor lacks 64-bit mode"},
	} {
		t.Run(c.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "image.raw")
			if err := os.WriteFile(file, c.image, 0o666); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			g := machine{Type: "pc", CPU: "max", Args: c.args}.startImage(ctx, t, "ide", file)
			defer g.Stop()
			r, err := g.Wait(ctx)
			if err != nil || r.Status != exitStatus(2) {
				t.Errorf("status %d, %v\n%s", r.Status, err, r.Output)
			}
			if !strings.Contains(r.Output, "ringo: fatal: "+c.want) || strings.Count(r.Output, "\n") != 1 {
				t.Errorf("not one line of %q:\n%s", c.want, r.Output)
			}
		})
	}
}

// change returns an image with another byte at an offset.
func change(image []byte, offset int) []byte {
	image = bytes.Clone(image)
	image[offset]++
	return image
}
