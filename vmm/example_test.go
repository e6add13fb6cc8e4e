package vmm_test

import (
	"context"
	"errors"
	"fmt"
	"os"

	"ringo.dev/ringo/vmm"
	"ringo.dev/ringo/vmm/device"
	"ringo.dev/ringo/vmm/virtio"
)

// Boot an image that ringo build made, with a source of entropy and no network.
func Example() {
	vm, err := vmm.New(vmm.Config{
		Image:   "hello.elf",
		Args:    []string{"hello", "world"},
		Memory:  64 << 20,
		CPUs:    1,
		Devices: []device.Device{virtio.NewRNG()},
		Console: os.Stdout,
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	defer vm.Close()
	status, err := vm.Run(context.Background())
	var guest *vmm.GuestError
	if errors.As(err, &guest) {
		fmt.Fprint(os.Stderr, guest, "\n", guest.Registers())
	}
	fmt.Println(status.Code, vm.Stats().Memory.Resident)
}
