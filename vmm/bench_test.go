package vmm

import (
	"testing"

	"ringo.dev/ringo/vmm/testguest"
)

// benchmark runs a guest that does the thing Guest[0] times.
func benchmark(b *testing.B, g testguest.Guest, n, memory int) {
	vm, _ := newVM(b, g, func(c *Config) { c.Memory = int64(memory) })
	vm.vcpuPage(0).Guest[0] = uint64(n)
	b.ResetTimer()
	if s, err := run(b, vm); err != nil || s.Code != 0 {
		b.Fatal(s, err)
	}
	b.StopTimer()
	b.Log(vm.Stats())
}

// BenchmarkHypercall measures one that does nothing.
func BenchmarkHypercall(b *testing.B) { benchmark(b, testguest.Calls, b.N, 16<<20) }

// BenchmarkTouch measures the first touch of a page.
func BenchmarkTouch(b *testing.B) { benchmark(b, testguest.Touch, b.N*4096, 16<<20+b.N*4096) }

// BenchmarkBoot measures from New to the end of a guest that prints a line.
func BenchmarkBoot(b *testing.B) {
	for b.Loop() {
		vm, _ := newVM(b, testguest.Hello, nil)
		if _, err := run(b, vm); err != nil {
			b.Fatal(err)
		}
		vm.Close()
	}
}
