// Package machine runs a program in a virtual machine for a user at a terminal:
// it makes the VM's devices, hands signals on, and keeps time limits.
package machine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"time"

	"ringo.dev/ringo/vmm"
	"ringo.dev/ringo/vmm/device"
	"ringo.dev/ringo/vmm/net/gateway"
	"ringo.dev/ringo/vmm/signals"
	"ringo.dev/ringo/vmm/virtio"
)

// Options say what to run, and how.
type Options struct {
	Image   string   // ELF file
	Args    []string // argv
	Env     []string // K=V
	Memory  int64    // bytes
	CPUs    int
	Network Network
	Disks   []Disk
	Shares  []Share
	Timeout time.Duration // 0: none
	Console io.Writer
	Input   io.Reader                     // standard input; nil: it is empty
	Size    func() (columns, rows uint16) // of the terminal; nil: there is none
	Kernel  Kernel

	mark string // serialPort's, by which the guest asks for input; "": somebody types
}

// Kernel is what the guest's kernel is told.
type Kernel struct {
	Hostname string
	// Directory is the working directory; empty is /. It is made if it is missing.
	Directory string
	Stdin     Stream // what standard input is
	Stdout    Stream // what standard output and standard error are
	Verbose   bool   // report on the console when DHCP has set up the network
	Trace     bool   // report all system calls on the console
}

// Stream is what a program shall take a standard descriptor for, as the guest's
// kernel names it (package dev's Kind). The zero value is a Device.
type Stream string

// The kinds of streams.
const (
	Terminal Stream = "terminal"
	Device   Stream = "device" // a character device, but no terminal
	Pipe     Stream = "pipe"   // also for files: a guest's console has no positions
)

// settings returns the boot configuration (packages syscalls and netstack).
func (k *Kernel) settings() map[string]string {
	m := make(map[string]string)
	if k.Directory != "" {
		m["workdir"] = k.Directory
	}
	if k.Hostname != "" {
		m["hostname"] = k.Hostname
	}
	for key, stream := range map[string]Stream{"stdin": k.Stdin, "stdout": k.Stdout} {
		if stream != "" {
			m[key] = string(stream)
		}
	}
	for key, on := range map[string]bool{"net.verbose": k.Verbose, "strace": k.Trace} {
		if on {
			m[key] = "1"
		}
	}
	return m
}

// Network says what the machine's network card is connected to.
type Network struct {
	Kind     string // "user", "tap:NAME" or "none"
	Forwards []gateway.Forward
	Static   Static
}

// Static is what the guest uses in place of DHCP.
type Static struct {
	Addresses []netip.Prefix // at most one of each family
	Gateway   netip.Addr
	DNS       []netip.Addr
}

// StatusTimeout is the exit status of a program that ran into the time limit,
// which is timeout(1)'s.
const StatusTimeout = 124

// errTimeout ends a VM's context.
var errTimeout = errors.New("time limit")

// Run runs the program to its end and returns its exit status. An error means
// that there was no program to have one. This process can do little else
// afterwards: it is locked in (vmm.Lockdown).
func Run(ctx context.Context, o Options) (status int, err error) {
	card, err := connect(&o.Network)
	if err != nil {
		return 0, err
	}
	defer card.close()
	disks, err := openDisks(o.Disks)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, closeDisks(disks)) }()
	dirs, err := openShares(o.Shares)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, dirs.close()) }()
	dirDevices, err := dirs.devices()
	if err != nil {
		return 0, err
	}
	o.Console = &output{w: o.Console}
	settings := o.Kernel.settings()
	maps.Copy(settings, card.settings)
	maps.Copy(settings, mounts(o.Disks, o.Shares))
	vm, err := vmm.New(vmm.Config{
		Image:    o.Image,
		Args:     o.Args,
		Env:      o.Env,
		Memory:   o.Memory,
		CPUs:     o.CPUs,
		Settings: settings,
		Devices:  slices.Concat([]device.Device{virtio.NewRNG(), virtio.NewConsole(o.Input, o.Console, o.Size)}, card.devices, diskDevices(disks), dirDevices),
		Console:  o.Console,
	})
	if err != nil {
		return 0, err
	}
	defer vm.Close()

	if o.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, o.Timeout, errTimeout)
		defer cancel()
	}
	if err := vmm.Lockdown(vmm.Reach{Network: card.sockets, Shares: sharePaths(o.Shares)}); err != nil {
		return 0, fmt.Errorf("locking the VMM in: %w", err)
	}
	stop, err := handOn(
		func(sig syscall.Signal) { vm.Signal(sig) }, // they are valid ones
		func(syscall.Signal) { vm.Kill() },
	)
	if err != nil {
		return 0, err
	}
	defer stop()
	s, err := vm.Run(ctx)
	if errors.Is(err, errTimeout) {
		fmt.Fprintf(os.Stderr, "ringo: the program did not end within %v\n", o.Timeout)
		return StatusTimeout, nil
	}
	return s.Code, err
}

// sameRequest is how soon after a request to end another one is the same: timeout(1)
// sends its signal to the process and to its group.
const sameRequest = 50 * time.Millisecond

// handOn hands signals on to the guest, by the function signal, until the returned
// function is called. A request to end becomes SIGTERM; with the second one, end is
// called, which ends the VM. Neither may wait for anything.
func handOn(signal, end func(syscall.Signal)) (stop func(), err error) {
	caught, err := signals.Catch(syscall.SIGINT, syscall.SIGTERM,
		syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2, syscall.SIGWINCH)
	if err != nil {
		return nil, err
	}
	go func() {
		var asked time.Time // when the end was
		for list := caught.Next(); len(list) > 0; list = caught.Next() {
			for _, sig := range list {
				if sig == syscall.SIGINT || sig == syscall.SIGTERM {
					if asked.IsZero() {
						asked = time.Now()
						signal(syscall.SIGTERM)
					} else if time.Since(asked) > sameRequest {
						end(sig)
					}
					continue
				}
				signal(sig)
			}
		}
	}()
	return caught.Stop, nil
}
