package metal

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"

	"ringo.dev/ringo/tests/harness"
)

// step is what is typed when a guest has said something.
type step struct{ await, keys string }

// typeAt starts a guest, which the test stops, and types at its serial port.
func typeAt(ctx context.Context, t *testing.T, cmd *exec.Cmd, steps []step) *harness.Guest {
	t.Helper()
	keys, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	g, err := harness.StartGuest(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(g.Stop)
	for _, s := range steps {
		if err := g.Await(ctx, s.await); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(keys, s.keys); err != nil {
			t.Fatal(err)
		}
	}
	return g
}

// TestTyped types lines at the serial port, with Backspace, and the end.
func TestTyped(t *testing.T) {
	image, err := ringo.Program("tests/programs/input")
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"q35", "microvm"} {
		t.Run(kind, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			g := typeAt(ctx, t, machine{Type: kind, CPU: "max"}.command(ctx, t, image, "lines"), []step{
				{"ready", "hello\r"},
				{"hello\nline \"hello\"", "helpl\x7f\x7flo\r"},
				{"helpl\b \b\b \blo\nline \"hello\"", strings.Repeat("x", 1000) + "\r"},
				{strings.Repeat("x", 1000) + "\"", "\x16\x03\r"},
				{"^C\nline \"\\x03\"", "\x04"},
			})
			if r, err := g.Wait(ctx); err != nil || r.Status != exitStatus(0) || !strings.HasSuffix(r.Output, "end\n") {
				t.Errorf("status %d, %v\n%s", r.Status, err, r.Output)
			}
		})
	}
}

// TestTypedSignals types Ctrl-C and Ctrl-\ to a program that does not read.
func TestTypedSignals(t *testing.T) {
	image, err := ringo.Program(signalsProgram)
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"pc", "microvm"} {
		t.Run(kind, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			g := typeAt(ctx, t, machine{Type: kind, CPU: "max"}.command(ctx, t, image, "stay"), []step{
				{"ready", "line\r\x16\x1c\x03"},
				{"got interrupt", "\x1c"},
				{"got quit\n", ""},
			})
			if want := "ready\ngot interrupt\ngot quit\n"; g.Output() != want {
				t.Errorf("%q, want %q", g.Output(), want)
			}
		})
	}
}

// TestRunInputLeft wants what a program does not read to be left to the next one.
func TestRunInputLeft(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	in := file(t, "abcdefgh")
	for _, c := range [][2]string{
		{"describe", "stdin is p---------\nstdout is p---------\n"},
		{"3", "read \"abc\"\n"},
		{"1", "read \"d\"\n"},
		{"lines", "ready\nline \"efgh\"\nend\n"},
	} {
		cmd := qemuRun(ctx, t, "tests/programs/input", c[0], "--machine", "microvm")
		cmd.Stdin = in
		g, err := harness.StartGuest(cmd)
		if err != nil {
			t.Fatal(err)
		}
		if r, err := g.Wait(ctx); err != nil || r.Status != 0 || r.Output != c[1] {
			t.Errorf("%s: status %d, %v, %q, want %q", c[0], r.Status, err, r.Output, c[1])
		}
	}
}

// TestRunInput gives ringo run --vmm qemu input of all kinds of bytes.
func TestRunInput(t *testing.T) {
	image, err := ringo.Program("tests/programs/input")
	if err != nil {
		t.Fatal(err)
	}
	data := make([]byte, 10_000)
	rand.NewChaCha8([32]byte{}).Read(data)
	for _, c := range []struct {
		name, machine, boot string
		input               []byte
	}{
		{"data", "q35", "multiboot", data},
		{"microvm", "microvm", "pvh", data},
		{"disk", "pc", "bios", data},
		{"nothing", "q35", "multiboot", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			cmd := ringo.Command(ctx, "run", "--vmm", "qemu", "--machine", c.machine, "--boot", c.boot, "--net", "none", image, "--", "sum")
			if c.input != nil { // else it is /dev/null
				cmd.Stdin = bytes.NewReader(c.input)
			}
			g, err := harness.StartGuest(cmd)
			if err != nil {
				t.Fatal(err)
			}
			want := fmt.Sprintf("%d bytes, %x\n", len(c.input), sha256.Sum256(c.input))
			if r, err := g.Wait(ctx); err != nil || r.Status != 0 || r.Output != want {
				t.Errorf("status %d, %v, %q, want %q", r.Status, err, r.Output, want)
			}
		})
	}
}
