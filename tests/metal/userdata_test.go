package metal

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"ringo.dev/ringo/tests/harness"
)

// relayVariable is set in the environment of this test's executable when QEMU
// starts it for a connection to the metadata service: it is the address of the
// server that stands for it.
const relayVariable = "RINGO_TEST_RELAY"

// relay copies between standard input and output and the server at addr.
func relay(addr string) error {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return err
	}
	defer c.Close()
	go func() { _, _ = io.Copy(c, os.Stdin) }() // which ends with the process
	_, err = io.Copy(os.Stdout, c)
	return err
}

// metadata is a service as EC2 has it, for those with a token only.
func metadata(data string) http.HandlerFunc {
	const token = "dG9rZW4="
	return func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Host != "169.254.169.254":
			http.Error(w, "not this host", http.StatusBadRequest)
		case r.Method == "PUT" && r.URL.Path == "/latest/api/token" && r.Header.Get("X-aws-ec2-metadata-token-ttl-seconds") != "":
			io.WriteString(w, token)
		case r.Header.Get("X-aws-ec2-metadata-token") != token:
			http.Error(w, "no token", http.StatusUnauthorized)
		case r.URL.Path != "/latest/user-data" || data == "":
			http.NotFound(w, r)
		default:
			io.WriteString(w, data)
		}
	}
}

// startUserData boots the disk of a program that asks for user data, whose
// network has the service at its address, or nobody there.
func startUserData(ctx context.Context, t *testing.T, service http.Handler, args ...string) *harness.Guest {
	t.Helper()
	args = append(args, "-e", "A=image", "-e", "B=image", "--", "-from", "image")
	image := makeImage(t, "raw", "tests/programs/userdata", args...)
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	network, server := "user,id=n,net=169.254.169.0/24,host=169.254.169.1", ""
	if service != nil {
		s := httptest.NewServer(service)
		t.Cleanup(s.Close)
		server = s.Listener.Addr().String()
		network += ",guestfwd=tcp:169.254.169.254:80-cmd:" + exe
	}
	m := machine{Type: "pc", CPU: "max", Args: []string{
		"-netdev", network, "-device", "virtio-net-pci,netdev=n", "-drive", "file=" + image + ",format=raw,if=ide",
	}}
	cmd := m.qemu(ctx, t)
	cmd.Env = append(os.Environ(), relayVariable+"="+server)
	g, err := harness.StartGuest(cmd)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// TestUserData gives a program arguments and environment by a cloud's service,
// and other things which leave it what its image says.
func TestUserData(t *testing.T) {
	const fromImage = `["program" "-from" "image"] A="image"`
	for _, c := range []struct {
		name, data string
		nobody     bool // is at the service's address
		early      string
		console    string
	}{
		{"ours", "#ringo\n-from \"the cloud\"\nringo.env.A=cloud\nringo.net.dns=10.0.0.1\n", false,
			`["program" "-from" "the cloud"] A="cloud"`, "ec2: 2 arguments, 1 variables\n"},
		{"others", "#cloud-config\npackages: [apache2]\n", false, fromImage, "left alone"},
		{"none", "", false, fromImage, "the machine has none"},
		{"nobody", "", true, fromImage, "no answer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			var service http.Handler
			args := []string{"--user-data"}
			if c.nobody {
				args = append(args, "--set", "user-data.wait=2")
			} else {
				service = metadata(c.data)
			}
			g := startUserData(ctx, t, service, append(args, "--set", "program=program")...)
			r, err := g.Wait(ctx)
			if err != nil || r.Status != exitStatus(0) {
				t.Errorf("status %d, %v\n%s", r.Status, err, r.Output)
			}
			args0, _, _ := strings.Cut(c.early, " A=")
			for _, want := range []string{
				c.console, "early " + c.early + "\n", "main " + c.early + ` B="image"` + "\n", fmt.Sprintf("proc %s\n", args0),
			} {
				if !strings.Contains(r.Output, want) {
					t.Errorf("there is no %q in\n%s", want, r.Output)
				}
			}
			if late := "net.dns comes too late"; c.name == "ours" && !strings.Contains(r.Output, late) {
				t.Errorf("there is no %q in\n%s", late, r.Output)
			}
		})
	}
}

// TestUserDataDisk has user data on a disk of cloud-init's kind, and of OpenStack's,
// which the loader puts into memory.
func TestUserDataDisk(t *testing.T) {
	const xorriso = "xorriso"
	if _, err := exec.LookPath(xorriso); err != nil {
		t.Skipf("%s is missing; install it with apt-get install xorriso", xorriso)
	}
	for _, c := range []struct {
		name, label, path string
		args              []string
	}{
		{"virtio", "cidata", "user-data", []string{"-device", "virtio-blk-pci,drive=d", "-drive", "if=none,id=d,format=raw,readonly=on,file=%s"}},
		{"module", "config-2", "openstack/latest/user_data", []string{"-initrd", "%s"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, "files", c.path)
			if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, []byte("#ringo\n-from disk ringo.env.A=disk\n"), 0o666); err != nil {
				t.Fatal(err)
			}
			seedDisk := filepath.Join(dir, "seed.iso")
			mkisofs := exec.CommandContext(t.Context(), xorriso, "-as", "mkisofs", "-quiet", "-o", seedDisk, "-V", c.label, "-J", "-r", filepath.Join(dir, "files"))
			if out, err := mkisofs.CombinedOutput(); err != nil {
				t.Fatalf("%s: %v\n%s", xorriso, err, out)
			}
			m := machine{Type: "pc", CPU: "max"}
			for _, a := range c.args {
				m.Args = append(m.Args, strings.Replace(a, "%s", seedDisk, 1))
			}
			r := m.boot(t, "tests/programs/userdata", "ringo.user-data=auto -from line")
			for _, want := range []string{"disk: 2 arguments, 1 variables\n", `"-from" "disk"] A="disk"`} {
				if !strings.Contains(r.Output, want) || r.Status != exitStatus(0) {
					t.Errorf("status %d, there is no %q in\n%s", r.Status, want, r.Output)
				}
			}
		})
	}
}
