package tests

import (
	"context"
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"ringo.dev/ringo/tests/harness"
)

// ringo is the command under test.
var ringo *harness.Ringo

func TestMain(m *testing.M) {
	harness.MountAndExec()
	flag.Parse()
	os.Exit(run(m))
}

// run builds the command, unless this is a part of a test that was started in
// a network of its own, and runs the tests.
func run(m *testing.M) int {
	if dir, ok := harness.Isolated(); ok {
		ringo = harness.At(dir)
		return m.Run()
	}
	dir, err := os.MkdirTemp("", "ringo-tests-")
	if err == nil {
		defer os.RemoveAll(dir)
		ringo, err = harness.Build(context.Background(), dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// needKVM fails a test that boots guests where that is impossible: what was
// not tested must not look as if it had passed.
func needKVM(t *testing.T) {
	t.Helper()
	f, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
	if err != nil {
		t.Fatalf("this test boots guests: %v", err)
	}
	f.Close()
}

// program builds a package of this module for guests.
func program(t *testing.T, pkg string) string {
	t.Helper()
	file, err := ringo.Program(pkg)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// limit returns a context that ends with the test, or after d.
func limit(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeoutCause(t.Context(), d, fmt.Errorf("the test's limit of %v is over", d))
	t.Cleanup(cancel)
	return ctx
}

// way is one way to run a guest program.
type way struct {
	name string
	cpus int
	args []string // of ringo run
	qemu bool     // by itself on QEMU, with QEMU's user network
}

var (
	oneCPU  = way{name: "vm", cpus: 1, args: []string{"-m", "64M", "--smp", "1"}}
	twoCPUs = way{name: "smp2", cpus: 2, args: []string{"-m", "64M", "--smp", "2"}}
)
