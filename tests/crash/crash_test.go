package main

import (
	"os"
	"testing"
)

func TestMain(m *testing.M) {
	beMonitor()
	os.Exit(m.Run())
}

// TestCrash is a short run of the command, with a disk that loses what was not
// flushed and with one that does not.
func TestCrash(t *testing.T) {
	if f, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0); err != nil {
		t.Fatalf("this test boots guests: %v", err)
	} else {
		f.Close()
	}
	for name, p := range map[string]*plan{
		"volatile": {cycles: 20, seed: 1, cpus: 1},
		"smp":      {cycles: 10, seed: 2, cpus: 2},
		"plain":    {cycles: 10, seed: 3, cpus: 1, plain: true},
	} {
		t.Run(name, func(t *testing.T) {
			if err := p.run(t.Context(), t.Logf); err != nil {
				t.Error(err)
			}
		})
	}
}
