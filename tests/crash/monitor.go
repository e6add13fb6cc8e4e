package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log"
	"os"

	"ringo.dev/ringo/vmm"
	"ringo.dev/ringo/vmm/device"
	"ringo.dev/ringo/vmm/disk"
	"ringo.dev/ringo/vmm/virtio"
)

// monitor is what a process of this command that runs a machine is told, by an
// environment variable.
type monitor struct {
	Image, Disk string
	Seed        uint64
	Plain       bool
	CPUs        int
}

const monitorVariable = "RINGO_TESTS_CRASH"

// beMonitor runs a machine if this process shall, and then ends it.
func beMonitor() {
	text, asked := os.LookupEnv(monitorVariable)
	if !asked {
		return
	}
	var m monitor
	err := json.Unmarshal([]byte(text), &m)
	if err == nil {
		err = m.run()
	}
	log.Fatal(err) // the machine does not end by itself
}

func (m *monitor) run() error {
	f, err := disk.Open(m.Disk, false)
	if err != nil {
		return err
	}
	var d disk.Disk = f
	if !m.Plain {
		d = disk.NewVolatile(f, m.Seed)
	}
	vm, err := vmm.New(vmm.Config{
		Image:    m.Image,
		Args:     []string{"crash"},
		Memory:   64 << 20,
		CPUs:     m.CPUs,
		Settings: map[string]string{"mount.0": "volume,rw,/dev/vda,/data"},
		Devices:  []device.Device{virtio.NewRNG(), virtio.NewBlock(d, func(err error) { log.Print(err) })},
		Console:  os.Stdout,
	})
	if err != nil {
		return err
	}
	status, err := vm.Run(context.Background())
	if err != nil {
		return err
	}
	return fmt.Errorf("the machine ended with status %d", status.Code)
}
