package tests

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"ringo.dev/ringo/tests/harness"
)

// inEachWay runs a test of tests/programs/input in a VM and as a process. The
// command that it is given runs the program with an argument.
func inEachWay(t *testing.T, f func(t *testing.T, ctx context.Context, command func(what string) *exec.Cmd)) {
	needKVM(t)
	file := program(t, "tests/programs/input")
	for _, w := range []way{oneCPU, process} {
		t.Run(w.name, func(t *testing.T) {
			ctx := limit(t, time.Minute)
			f(t, ctx, func(what string) *exec.Cmd {
				args := append([]string{"run", "--net", "none"}, w.args...)
				if w.cpus == 0 {
					args = append([]string{"run"}, w.args...)
				}
				return ringo.Command(ctx, append(args, file, "--", what)...)
			})
		})
	}
}

// outputOf runs a command to its end with standard input from in.
func outputOf(t *testing.T, cmd *exec.Cmd, in io.Reader) string {
	t.Helper()
	cmd.Stdin, cmd.Stderr = in, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Errorf("%v: %v", cmd.Args, err)
	}
	return string(out)
}

// TestInput gives a program input by a pipe, from a file and from /dev/null.
func TestInput(t *testing.T) {
	inEachWay(t, func(t *testing.T, ctx context.Context, command func(string) *exec.Cmd) {
		const want = "ready\nline \"hi\"\nline \"\"\nline \"there\"\nend\n"
		if got := outputOf(t, command("lines"), strings.NewReader("hi\n\nthere")); got != want {
			t.Errorf("by a pipe: %q, want %q", got, want)
		}
		if got := outputOf(t, command("lines"), nil); got != "ready\nend\n" {
			t.Errorf("/dev/null: %q", got)
		}
		data := make([]byte, 5<<20+1)
		rand.NewChaCha8([32]byte{}).Read(data)
		file, err := os.CreateTemp(t.TempDir(), "")
		if err == nil {
			_, err = file.Write(data)
		}
		if err == nil {
			_, err = file.Seek(0, io.SeekStart)
		}
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		if got, want := outputOf(t, command("sum"), file), fmt.Sprintf("%d bytes, %x\n", len(data), sha256.Sum256(data)); got != want {
			t.Errorf("a file: %q, want %q", got, want)
		}
		if got, want := outputOf(t, command("sum"), bytes.NewReader(data)), fmt.Sprintf("%d bytes, %x\n", len(data), sha256.Sum256(data)); got != want {
			t.Errorf("much: %q, want %q", got, want)
		}
	})
}

// TestInputKind wants the descriptors to look like those of the command.
func TestInputKind(t *testing.T) {
	inEachWay(t, func(t *testing.T, ctx context.Context, command func(string) *exec.Cmd) {
		if got, want := outputOf(t, command("describe"), nil), "stdin is Dc---------\nstdout is p---------\n"; got != want {
			t.Errorf("%q, want %q", got, want)
		}
		if got, want := outputOf(t, command("describe"), strings.NewReader("")), "stdin is p---------\nstdout is p---------\n"; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	})
}

// TestInputLeft wants what a program does not read to be left to the next one.
func TestInputLeft(t *testing.T) {
	inEachWay(t, func(t *testing.T, ctx context.Context, command func(string) *exec.Cmd) {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if _, err := w.WriteString("abcdefgh"); err != nil {
			t.Fatal(err)
		}
		w.Close()
		for _, c := range [][2]string{
			{"describe", "stdin is p---------\nstdout is p---------\n"},
			{"3", "read \"abc\"\n"},
			{"1", "read \"d\"\n"},
			{"lines", "ready\nline \"efgh\"\nend\n"},
		} {
			if got := outputOf(t, command(c[0]), r); got != c[1] {
				t.Errorf("%s: %q, want %q", c[0], got, c[1])
			}
		}
	})
}

// startReady starts a program and waits until it says that it is ready for keys.
func startReady(t *testing.T, ctx context.Context, cmd *exec.Cmd) (*harness.Guest, io.WriteCloser) {
	t.Helper()
	keys, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	g, err := harness.StartGuest(cmd)
	if err != nil {
		t.Fatal(err)
	}
	if err := g.Await(ctx, "ready"); err != nil {
		g.Stop()
		t.Fatal(err)
	}
	return g, keys
}

// TestInputWait wants a program that waits for input to cost no time.
func TestInputWait(t *testing.T) {
	inEachWay(t, func(t *testing.T, ctx context.Context, command func(string) *exec.Cmd) {
		cmd := command("lines")
		g, keys := startReady(t, ctx, cmd)
		defer g.Stop()
		const wait = time.Second
		time.Sleep(wait)
		io.WriteString(keys, "hi\n")
		if err := g.Await(ctx, "line \"hi\""); err != nil {
			t.Error(err)
		}
		keys.Close()
		if r, err := g.Wait(ctx); err != nil || r.Status != 0 {
			t.Errorf("%v, %v", r, err)
		}
		if used := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(); used > wait/2 {
			t.Errorf("it used %v of CPU time", used)
		}
	})
}

// TestInputCompute wants a goroutine that computes to be interrupted, though nothing
// has happened before for long but that a device had something to say: by then the
// runtime's monitor sleeps.
func TestInputCompute(t *testing.T) {
	inEachWay(t, func(t *testing.T, ctx context.Context, command func(string) *exec.Cmd) {
		cmd := command("compute")
		g, keys := startReady(t, ctx, cmd)
		defer g.Stop()
		time.Sleep(200 * time.Millisecond)
		io.WriteString(keys, "ab")
		ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
		defer cancel()
		if r, err := g.Wait(ctx); err != nil || r.Status != 0 {
			t.Errorf("%v, %v", r, err)
		}
	})
}

// TestTerminal runs a program in a terminal: lines, the end by ^D, the size and
// its changes, and Ctrl-C.
func TestTerminal(t *testing.T) {
	inEachWay(t, func(t *testing.T, ctx context.Context, command func(string) *exec.Cmd) {
		start := func(what string) (*harness.Guest, *harness.Terminal) {
			g, tty, err := harness.StartInTerminal(command(what), 132, 43)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				g.Stop()
				tty.Close()
			})
			return g, tty
		}
		await := func(g *harness.Guest, texts ...string) {
			t.Helper()
			for _, text := range texts {
				if err := g.Await(ctx, text); err != nil {
					t.Fatal(err)
				}
			}
		}
		g, _ := start("describe")
		await(g, "stdin is Dc---------, a terminal of 132×43", "stdout is Dc---------, a terminal of 132×43")

		g, tty := start("lines")
		await(g, "ready")
		tty.Type("hello\rx\x7fwrong\x15right\r") // with Backspace, and Ctrl-U
		await(g, `line "hello"`, `line "right"`)
		tty.Type("\x04")
		await(g, "end")
		if r, err := g.Wait(ctx); err != nil || r.Status != 0 {
			t.Errorf("after ^D: %v, %v", r, err)
		}

		g, tty = start("resized")
		await(g, "ready")
		if err := tty.Resize(80, 25); err != nil {
			t.Fatal(err)
		}
		await(g, "a terminal of 80×25")

		g, tty = start("lines")
		await(g, "ready")
		tty.Type("\x03")
		if r, err := g.Wait(ctx); err != nil || r.Status != 128+15 && r.Status != 128+2 {
			t.Errorf("after ^C: %v, %v", r, err)
		}
	})
}
