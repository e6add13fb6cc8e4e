package vmm

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"ringo.dev/ringo/vmm/testguest"
)

// newVM makes a VM of a tiny guest.
func newVM(t testing.TB, g testguest.Guest, change func(*Config)) (*VM, *bytes.Buffer) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "guest.elf")
	if err := os.WriteFile(path, testguest.New(g.Code()).Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	out := new(bytes.Buffer)
	c := Config{Image: path, Args: []string{"guest", "two"}, Env: []string{"A=b"}, Memory: 16 << 20, CPUs: 1, Console: out}
	if change != nil {
		change(&c)
	}
	vm, err := New(c)
	if errors.Is(err, ErrKVM) && os.Getenv("RINGO_TEST_NOKVM") != "" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { vm.Close() })
	return vm, out
}

// run runs vm to its end.
func run(t testing.TB, vm *VM) (Status, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	return vm.Run(ctx)
}

func TestHello(t *testing.T) {
	t0 := time.Now()
	vm, out := newVM(t, testguest.Hello, nil)
	t1 := time.Now()
	s, err := run(t, vm)
	t.Logf("new %v run %v", t1.Sub(t0), time.Since(t1))
	if err != nil || s.Code != 7 || out.String() != "hello\n" {
		var ge *GuestError
		if errors.As(err, &ge) {
			t.Log(ge.Registers())
		}
		t.Fatalf("got %v, %v, %q", s, err, out)
	}
	t.Log(vm.Stats())
}

// TestGuests boots the guests that check one property and exit with 0.
func TestGuests(t *testing.T) {
	for name, g := range map[string]testguest.Guest{
		"trap": testguest.Trap, "paging": testguest.Paging, "tick": testguest.Tick,
		"syscall": testguest.Syscall, "wait": testguest.Wait, "kick": testguest.Kick,
	} {
		t.Run(name, func(t *testing.T) {
			vm, _ := newVM(t, g, func(c *Config) { c.CPUs = 2 })
			s, err := run(t, vm)
			if err != nil || s.Code != 0 {
				t.Errorf("got %v, %v", s, err)
			}
			t.Log(vm.Stats())
		})
	}
}
