package metal

import (
	"bufio"
	"context"
	"debug/elf"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"ringo.dev/ringo/tests/harness"
)

// TestLateProcessor has the second processor start at the moment when the first has
// given it up and is about to reset it: it must not run then, and be started again.
// QEMU's debugger stub runs one processor at a time.
func TestLateProcessor(t *testing.T) {
	const pkg = "tests/guests/memory"
	_, symbols := executable(t, pkg)
	image, err := ringo.Program(pkg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	socket := filepath.Join(t.TempDir(), "gdb")
	m := machine{"microvm", "max", []string{"-smp", "2", "-S", "-gdb", "unix:" + socket + ",server=on,wait=off"}}
	g, err := harness.StartGuest(m.command(ctx, t, image, seed+" discard"))
	if err != nil {
		t.Fatal(err)
	}
	defer g.Stop()
	d := dialDebugger(ctx, t, socket)

	send := address(t, symbols, "runtime.ringoAPICSend")
	for range 4 { // INIT, twice start-up, and INIT again
		d.run(1, send)
	}

	// It had long been sent its start-up when it comes to run. Then the program changes its
	// mappings, which every processor that runs has to hear of.
	running, stopped := address(t, symbols, "runtime.ringoCPUStart.abi0"), address(t, symbols, "runtime.ringoMetalStop")
	d.run(2, running, stopped)
	d.ask("D")

	r, err := g.Wait(ctx)
	if err != nil || r.Status != exitStatus(0) || !strings.Contains(r.Output, "ok discard") {
		t.Errorf("status %d, %v\n%s", r.Status, err, r.Output)
	}
}

// address returns the address of a function.
func address(t *testing.T, symbols []elf.Symbol, name string) uint64 {
	t.Helper()
	i := slices.IndexFunc(symbols, func(s elf.Symbol) bool { return s.Name == name })
	if i < 0 {
		t.Fatalf("there is no function %s", name)
	}
	return symbols[i].Value
}

// debugger is a connection to QEMU's debugger stub (GDB's remote serial protocol).
type debugger struct {
	t *testing.T
	c net.Conn
	r *bufio.Reader
}

// dialDebugger waits until QEMU listens, and connects.
func dialDebugger(ctx context.Context, t *testing.T, socket string) *debugger {
	t.Helper()
	for {
		c, err := net.Dial("unix", socket)
		if err == nil {
			t.Cleanup(func() { c.Close() })
			c.SetDeadline(time.Now().Add(patience / 2))
			return &debugger{t, c, bufio.NewReader(c)}
		}
		select {
		case <-ctx.Done():
			t.Fatal(err)
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// ask sends a command, and returns the answer.
func (d *debugger) ask(format string, args ...any) string {
	d.t.Helper()
	command := fmt.Sprintf(format, args...)
	sum := byte(0)
	for _, b := range []byte(command) {
		sum += b
	}
	if _, err := fmt.Fprintf(d.c, "$%s#%02x", command, sum); err != nil {
		d.t.Fatal(err)
	}
	answer, err := d.r.ReadString('#')
	if err != nil {
		d.t.Fatalf("%s: %v", command, err)
	}
	d.r.Discard(2) // the sum
	d.c.Write([]byte("+"))
	answer = strings.TrimLeft(strings.TrimSuffix(answer, "#"), "+$")
	if strings.HasPrefix(answer, "E") || answer == "" {
		d.t.Fatalf("%s: the answer is %q", command, answer)
	}
	return answer
}

// run lets one processor, counted from 1, run until it comes to one of some
// instructions, and past that.
func (d *debugger) run(cpu int, to ...uint64) {
	d.t.Helper()
	for _, at := range to {
		d.ask("Z1,%x,1", at)
	}
	d.resume('c', cpu)
	for _, at := range to {
		d.ask("z1,%x,1", at)
	}
	d.resume('s', cpu)
}

// resume lets one processor run (c) or make a step (s), until it stops.
func (d *debugger) resume(how byte, cpu int) {
	d.t.Helper()
	const trap = "T05"
	if answer := d.ask("vCont;%c:%x", how, cpu); !strings.HasPrefix(answer, trap) {
		d.t.Fatalf("processor %d does not come to a breakpoint: %s", cpu, answer)
	}
}
