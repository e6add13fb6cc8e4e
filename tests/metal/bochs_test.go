package metal

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"text/template"

	"ringo.dev/ringo/tests/harness"
)

// bochsConfig is the configuration of the machine: a CD, a serial port that
// prints to standard error, and an e1000 with bochs' user network.
var bochsConfig = template.Must(template.New("bochsrc").Parse(`
megs: 64
cpu: model=corei7_haswell_4770, count=1, ips=100000000
clock: sync=none, time0=local
romimage: file=/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest
display_library: sdl2
ata0-master: type=cdrom, path={{.Image}}, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev=/dev/stderr
pci: enabled=1, chipset=i440fx, slot1=e1000
e1000: enabled=1, mac=52:54:00:12:34:56, ethmod=slirp, script={{.Dir}}/slirp
log: {{.Dir}}/log
panic: action=fatal
speaker: enabled=0
sound: waveoutdrv=dummy
`))

// TestBochs boots a CD on bochs, whose BIOS and whose imitations of the PC's
// devices are not QEMU's, and fetches pages through its e1000.
func TestBochs(t *testing.T) {
	const bochs = "bochs"
	if _, err := exec.LookPath(bochs); err != nil {
		t.Skip("bochs is missing; install it with apt-get install bochs bochs-sdl bochsbios")
	}
	image := makeImage(t, "iso", "examples/web", "--set", "net.verbose=1")
	dir := t.TempDir()
	port := freePort(t)
	files := map[string]string{
		"slirp":    fmt.Sprintf("# slirp config\nhostfwd = tcp:127.0.0.1:%d-10.0.2.15:8080\n", port),
		"commands": "continue\n", // to Debian's bochs, which has a debugger
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	config, err := os.Create(filepath.Join(dir, "bochsrc"))
	if err != nil {
		t.Fatal(err)
	}
	defer config.Close()
	if err := bochsConfig.Execute(config, map[string]string{"Image": image, "Dir": dir}); err != nil {
		t.Fatal(err)
	}

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, bochs, "-q", "-rc", filepath.Join(dir, "commands"), "-f", config.Name())
	cmd.Env = append(os.Environ(), "SDL_VIDEODRIVER=dummy")
	g, err := harness.StartGuest(cmd)
	if err != nil {
		t.Fatal(err)
	}
	defer g.Stop()
	fetchPages(ctx, t, g, port, 20)
}
